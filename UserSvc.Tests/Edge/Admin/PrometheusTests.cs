using System.Globalization;
using UserSvc.Edge.Admin;

namespace UserSvc.Tests.Edge.Admin;

public sealed class PrometheusTests
{
    [Fact]
    public async Task Text_OfARunningEdge_IsWellFormedAndAgreesWithStats()
    {
        await using var upstream = await Upstream.StartAsync();
        await using var edge = await EdgeHost.ReadyAsync([upstream]);
        for (var i = 0; i < 20; i++)
        {
            await edge.Public.AskAsync("/user/alice");
        }

        await edge.SettlesAsync("http.http.downstream_rq_completed|upstream_rq_completed", "cluster.usersvc.upstream_rq_completed: 20\nhttp.http.downstream_rq_completed: 20\n");
        using var response = await edge.Health.GetAsync("/stats/prometheus", TestContext.Current.CancellationToken);
        var text = PrometheusText.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));

        var cluster = "envoy_cluster_name=\"usersvc\"";
        var endpoint = $"{cluster},envoy_endpoint_address=\"{new Uri(upstream.Address).Authority}\",destination=\"usersvc-1\"";
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", response.Content.Headers.ContentType?.ToString());
        Assert.Equal(
            (20, 20, 20, 20, 1, 20, 20, 20),
            (text.Samples[$"envoy_cluster_upstream_rq_total{{{cluster}}}"],
                text.Samples[$"envoy_cluster_upstream_rq_xx{{{cluster},envoy_response_code_class=\"2\"}}"],
                text.Samples[$"envoy_cluster_endpoint_rq_total{{{endpoint}}}"],
                text.Samples[$"envoy_cluster_endpoint_rq_success{{{endpoint}}}"],
                text.Samples[$"envoy_cluster_membership_healthy{{{cluster}}}"],
                text.Samples[$"envoy_cluster_upstream_rq_time_count{{{cluster}}}"],
                text.Samples[$"envoy_cluster_endpoint_rq_time_count{{{endpoint}}}"],
                text.Samples["envoy_http_downstream_rq_xx{envoy_http_conn_manager_prefix=\"http\",envoy_response_code_class=\"2\"}"]));
        Assert.Equal(
            ("counter", "gauge", "histogram"),
            (text.Types["envoy_cluster_upstream_rq_total"], text.Types["envoy_cluster_upstream_rq_active"], text.Types["envoy_cluster_upstream_rq_time"]));
        AssertHistograms(text);
    }

    [Fact]
    public void Label_OfAnyText_SurvivesEscaping()
    {
        const string Odd = "a\\b\"c\nd,e=\"f\"}";
        var stat = new Stat("x", "x_total", [("source", Odd), ("other", "")], StatKind.Counter, "A \\ and\na line", 1.5);

        var text = PrometheusText.Parse(UserSvc.Edge.Admin.PrometheusText.Write([stat]));

        Assert.Equal(1.5, Assert.Single(text.Samples).Value);
        Assert.Equal(new Dictionary<string, string> { ["source"] = Odd, ["other"] = "" }, text.Labels.Values.Single());
    }

    [Fact]
    public void Families_OfMixedStats_AreGrouped()
    {
        Stat[] stats = [Create("a", "1"), Create("b", "1"), Create("a", "2"), Create("b", "2")];

        var text = PrometheusText.Parse(UserSvc.Edge.Admin.PrometheusText.Write(stats));

        Assert.Equal(["a{cluster=\"1\"}", "a{cluster=\"2\"}", "b{cluster=\"1\"}", "b{cluster=\"2\"}"], text.Samples.Keys);

        static Stat Create(string family, string cluster) => new(family, family, [("cluster", cluster)], StatKind.Gauge, "Help", 0);
    }

    private static void AssertHistograms(PrometheusText text)
    {
        string[] bounds = ["0.5", "1", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "10000", "30000", "60000", "300000", "600000", "1800000", "3600000", "+Inf"];
        foreach (var family in text.Types.Where(t => t.Value == "histogram").Select(t => t.Key))
        {
            foreach (var (count, number) in text.Samples.Where(s => s.Key.StartsWith($"{family}_count{{", StringComparison.Ordinal)))
            {
                var labels = count[(family.Length + "_count{".Length)..^1];
                var buckets = text.Samples.Where(s => s.Key.StartsWith($"{family}_bucket{{{labels},le=", StringComparison.Ordinal)).ToList();
                var sum = text.Samples[$"{family}_sum{{{labels}}}"];

                Assert.Equal(bounds, buckets.Select(b => text.Labels[b.Key]["le"]));
                Assert.Equal(buckets.Select(b => b.Value).Order(), buckets.Select(b => b.Value));
                Assert.Equal(number, buckets[^1].Value);
                // At least the sum of the buckets' lower bounds.
                var least = buckets.Zip(buckets.Skip(1)).Sum(b => (b.Second.Value - b.First.Value) * double.Parse(text.Labels[b.First.Key]["le"], CultureInfo.InvariantCulture));
                Assert.True(sum >= least, $"{family}: {sum} < {least}");
            }
        }
    }
}
