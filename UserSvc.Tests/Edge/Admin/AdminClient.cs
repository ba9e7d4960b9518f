using System.Text.Json.Nodes;

namespace UserSvc.Tests.Edge.Admin;

internal static class AdminClient
{
    public static Task<Answer> PostAsync(this EdgeHost edge, string path) => edge.Admin.AskAsync(new HttpRequestMessage(HttpMethod.Post, path));

    /// <summary>The lines of <c>/stats</c> whose name the expression finds.</summary>
    public static async Task<string> StatsAsync(this EdgeHost edge, string filter, bool withoutHistograms = false)
    {
        var lines = (await edge.Admin.AskAsync($"/stats?usedonly&filter={Uri.EscapeDataString(filter)}")).Body.Split('\n');
        return string.Join('\n', lines.Where(l => !withoutHistograms || !l.Contains(": P0(", StringComparison.Ordinal)));
    }

    /// <summary>The counters are added to when the server is done with a request, which its client may see a moment earlier.</summary>
    public static async Task SettlesAsync(this EdgeHost edge, string filter, string expected, bool withoutHistograms = false)
    {
        // What it is instead is worth more than that it did not hold.
        await Record.ExceptionAsync(() => Eventually.HoldsAsync(async () => await edge.StatsAsync(filter, withoutHistograms) == expected));
        Assert.Equal(expected, await edge.StatsAsync(filter, withoutHistograms));
    }

    public static async Task<JsonNode> JsonAsync(this EdgeHost edge, string path) => JsonNode.Parse((await edge.Admin.AskAsync(path)).Body)!;
}
