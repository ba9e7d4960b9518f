using Microsoft.Playwright;
using UserSvc.AppHost.Processes;

namespace UserSvc.Tests.Edge.Admin;

/// <summary>This machine's Chromium, headless. Playwright never downloads one.</summary>
public sealed class Browser : IAsyncLifetime
{
    // The same programs as setup.sh.
    private static readonly string[] Programs =
        ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"];

    private static readonly float Deadline = (float)Eventually.Deadline.TotalMilliseconds;

    private IPlaywright _playwright = null!;
    private IBrowser _chromium = null!;

    public async ValueTask InitializeAsync()
    {
        var program = Programs.Select(Command.OnPath).FirstOrDefault(path => path is not null)
            ?? throw new InvalidOperationException($"None of {string.Join(", ", Programs)} is on PATH: install one (Debian: apt-get install chromium; or ./test.sh --install).");
        _playwright = await Playwright.CreateAsync();
        // The sandbox is unavailable to root and in most containers, and the browser opens only our page.
        _chromium = await _playwright.Chromium.LaunchAsync(new() { ExecutablePath = program, Args = ["--no-sandbox"], Timeout = Deadline });
        Assertions.SetDefaultExpectTimeout(Deadline);
    }

    public async ValueTask DisposeAsync()
    {
        await _chromium.DisposeAsync();
        _playwright.Dispose();
    }

    /// <summary>Opens the page at this address in a separate window and waits until it is connected.</summary>
    /// <param name="address">The page's address.</param>
    /// <param name="width">The window's width in pixels.</param>
    /// <param name="theme">The window's preferred colour scheme.</param>
    /// <param name="ownClock">Whether the test controls the page's clock.</param>
    internal async Task<AdminPage> OpenAsync(Uri address, int width = 1280, ColorScheme theme = ColorScheme.Light, bool ownClock = false)
    {
        var window = await _chromium.NewContextAsync(new() { ViewportSize = new() { Width = width, Height = 800 }, ColorScheme = theme });
        window.SetDefaultTimeout(Deadline);
        var page = new AdminPage(await window.NewPageAsync());
        if (ownClock)
        {
            await page.Tab.Clock.InstallAsync();
        }

        await page.Tab.GotoAsync(address.AbsoluteUri);
        await page.Tab.GetByText("LIVE", new() { Exact = true }).WaitForAsync();
        return page;
    }
}
