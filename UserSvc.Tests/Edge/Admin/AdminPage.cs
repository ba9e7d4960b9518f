using System.Collections.Concurrent;
using Microsoft.Playwright;

namespace UserSvc.Tests.Edge.Admin;

/// <summary>The admin page in a separate window, and what the browser reports about it.</summary>
internal sealed class AdminPage : IAsyncDisposable
{
    public AdminPage(IPage tab)
    {
        Tab = tab;
        tab.Request += (_, request) => Requested.Enqueue(new(request.Url));
        tab.Console += (_, message) => Complaints.Enqueue(message.Text);
        tab.PageError += (_, error) => Complaints.Enqueue(error);
    }

    public IPage Tab { get; }

    public ConcurrentQueue<Uri> Requested { get; } = [];

    /// <summary>Everything in its console, including violations of its content security policy.</summary>
    public ConcurrentQueue<string> Complaints { get; } = [];

    public ILocator Lost => Tab.Locator("#lost");

    /// <summary>A table's rows without its head: the cells' texts, separated by bars.</summary>
    public async Task<string[]> RowsAsync(string table) =>
        await Tab.GetByRole(AriaRole.Table, new() { Name = table }).EvaluateAsync<string[]>(
            "table => [...table.tBodies[0].rows].map(row => [...row.cells].map(cell => [...cell.childNodes].map(part => part.textContent).join(' ')).join(' | '))");

    public ValueTask DisposeAsync() => Tab.Context.DisposeAsync();
}
