using Microsoft.Playwright;
using UserSvc.AppHost.Processes;

namespace UserSvc.Tests.Edge.Admin;

/// <summary>This machine's Chromium, without a window. Playwright's own is never downloaded.</summary>
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
        // Its sandbox is not to be had by root or in most containers; what it opens here is ours.
        _chromium = await _playwright.Chromium.LaunchAsync(new() { ExecutablePath = program, Args = ["--no-sandbox"], Timeout = Deadline });
        Assertions.SetDefaultExpectTimeout(Deadline);
    }

    public async ValueTask DisposeAsync()
    {
        await _chromium.DisposeAsync();
        _playwright.Dispose();
    }

    /// <summary>The page at this address, connected, in a window of its own.</summary>
    /// <param name="address">The page's.</param>
    /// <param name="width">The window's, in pixels.</param>
    /// <param name="theme">What the window prefers.</param>
    /// <param name="ownClock">Time can be made to pass faster in it.</param>
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
