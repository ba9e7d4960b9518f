using System.Text.Json.Nodes;

namespace UserSvc.Tests.Edge.Admin;

internal static class AdminClient
{
    public static Task<Answer> PostAsync(this EdgeHost edge, string path) => edge.Admin.AskAsync(new HttpRequestMessage(HttpMethod.Post, path));

    /// <summary>The lines of <c>/stats</c> whose names match the expression.</summary>
    public static async Task<string> StatsAsync(this EdgeHost edge, string filter, bool withoutHistograms = false)
    {
        var lines = (await edge.Admin.AskAsync($"/stats?usedonly&filter={Uri.EscapeDataString(filter)}")).Body.Split('\n');
        return string.Join('\n', lines.Where(l => !withoutHistograms || !l.Contains(": P0(", StringComparison.Ordinal)));
    }

    /// <summary>Waits for the counters: the server counts a request after its client may have the answer.</summary>
    public static async Task SettlesAsync(this EdgeHost edge, string filter, string expected, bool withoutHistograms = false)
    {
        // The failure should show the actual figures, not only that they never matched.
        await Record.ExceptionAsync(() => Eventually.HoldsAsync(async () => await edge.StatsAsync(filter, withoutHistograms) == expected));
        Assert.Equal(expected, await edge.StatsAsync(filter, withoutHistograms));
    }

    public static async Task<JsonNode> JsonAsync(this EdgeHost edge, string path) => JsonNode.Parse((await edge.Admin.AskAsync(path)).Body)!;
}
