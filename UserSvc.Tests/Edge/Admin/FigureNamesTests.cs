using System.Diagnostics.Metrics;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using UserSvc.Edge.Configuration;
using UserSvc.Tests.Edge.Discovery;

namespace UserSvc.Tests.Edge.Admin;

/// <summary>Dashboards and alerts use these names: a name may be added, but none may change or go.</summary>
public sealed class FigureNamesTests : IAsyncLifetime
{
    private Upstream _upstream = null!;
    private SdsServer _sds = null!;
    private EdgeHost _edge = null!;

    private string Source => $"sds+http://{_sds.Authority}/usersvc";

    private string Authority => new Uri(_upstream.Address).Authority;

    public async ValueTask InitializeAsync()
    {
        _upstream = await Upstream.StartAsync();
        _sds = await SdsServer.StartAsync($$$"""{"hosts":[{"ip_address":"127.0.0.1","port":{{{new Uri(_upstream.Address).Port}}}}]}""");
        _edge = await EdgeHost.StartAsync([("sds", Source)], ("Edge:RateLimits:login:Permits", "10"));
        await Eventually.HoldsAsync(async () => (await _edge.Health.AskAsync("/ready")).Status == 200);
    }

    public async ValueTask DisposeAsync()
    {
        await _edge.DisposeAsync();
        await _sds.DisposeAsync();
        await _upstream.DisposeAsync();
    }

    [Fact]
    public async Task Stats_OfEveryKind_HaveTheseNames()
    {
        var names = (await NamesAsync(_edge)).Select(name => name.Replace(Source, "SOURCE", StringComparison.Ordinal).Replace(Authority.Replace(':', '_'), "ADDRESS", StringComparison.Ordinal));
        Assert.Equal(
            [
                .. Named("accesslog", "dropped left_out written"),
                .. Named("cluster.usersvc", "circuit_breakers.default.remaining_rq circuit_breakers.default.rq_open"),
                .. Named("cluster.usersvc.endpoint.ADDRESS", "cx_connect_fail ejections healthy rq_active rq_error rq_rx_reset rq_success rq_time rq_timeout rq_total"),
                .. Named("cluster.usersvc", "lb_healthy_panic membership_healthy membership_total outlier_detection.ejections_active outlier_detection.ejections_enforced_total"),
                .. Named("cluster.usersvc", "upstream_cx_connect_fail upstream_rq_1xx upstream_rq_2xx upstream_rq_3xx upstream_rq_4xx upstream_rq_5xx upstream_rq_active upstream_rq_completed"),
                .. Named("cluster.usersvc", "upstream_rq_error upstream_rq_pending_overflow upstream_rq_pending_overflow.client upstream_rq_pending_overflow.cluster upstream_rq_pending_overflow.destination"),
                .. Named("cluster.usersvc", "upstream_rq_retry upstream_rq_retry.connect_failure upstream_rq_retry.gateway_error upstream_rq_retry.reset upstream_rq_retry.try_timeout"),
                .. Named("cluster.usersvc", "upstream_rq_retry_overflow upstream_rq_retry_success upstream_rq_rx_reset upstream_rq_time upstream_rq_timeout upstream_rq_total"),
                .. Named("discovery.SOURCE", "age_seconds endpoints failing failures updates"),
                .. Listener("http.admin"),
                .. Listener("http.health"),
                .. Listener("http.http"),
                .. Named("login.http_local_rate_limit", "enabled enforced ok rate_limited"),
                .. Named("request_buffer", "bytes overflow"),
                .. Named("server", "live state total_connections uptime"),
            ],
            names.Order(StringComparer.Ordinal));

        static IEnumerable<string> Listener(string name) =>
            Named(name, "downstream_cx_active downstream_cx_address_overflow downstream_cx_address_rate_limited downstream_cx_handshake_overflow downstream_cx_overflow downstream_cx_overload_reject downstream_cx_total downstream_global_cx_overflow downstream_pre_cx_timeout "
                + "downstream_rq_1xx downstream_rq_2xx downstream_rq_3xx downstream_rq_4xx downstream_rq_5xx downstream_rq_active downstream_rq_completed downstream_rq_time downstream_rq_too_many_premature_resets downstream_rq_total ssl.connection_error");

        static IEnumerable<string> Named(string prefix, string names) => names.Split(' ').Select(name => $"{prefix}.{name}");
    }

    // The figures of a cluster have its name in the configuration.
    [Fact]
    public void Settings_OverriddenInAnotherCase_KeepTheNamesOfTheFirstSource()
    {
        var sources = new ConfigurationBuilder()
            .AddInMemoryCollection([new("ReverseProxy:Clusters:usersvc:LoadBalancingPolicy", "Random"), new("ReverseProxy:Routes:user:Order", "2")])
            .AddInMemoryCollection([new("REVERSEPROXY:CLUSTERS:USERSVC:METADATA:PANIC.THRESHOLD", "40"), new("reverseproxy:routes:USER:order", "1")]);

        var settings = new ConfigurationRoot([new CheckedConfiguration(sources.Build())]);

        Assert.Equal("usersvc", Assert.Single(settings.GetSection("ReverseProxy:Clusters").GetChildren()).Key);
        Assert.Equal("user", Assert.Single(settings.GetSection("ReverseProxy:Routes").GetChildren()).Key);
        Assert.Equal(("40", "1"), (settings["ReverseProxy:Clusters:usersvc:Metadata:Panic.Threshold"], settings["ReverseProxy:Routes:user:Order"]));
    }

    [Fact]
    public async Task Families_InPrometheus_HaveTheseNamesAndLabels()
    {
        var text = PrometheusText.Parse((await _edge.Health.AskAsync("/stats/prometheus")).Body);

        var families = text.Labels.Select(s => (Family: FamilyOf(s.Key), Labels: string.Join(',', s.Value.Keys.Except(["le"])))).Distinct()
            .GroupBy(s => s.Labels, s => s.Family).ToDictionary(g => g.Key, g => string.Join(' ', g.Order(StringComparer.Ordinal)));
        Assert.Equal(
            new Dictionary<string, string>
            {
                ["envoy_cluster_name"] = "circuit_breakers_default_remaining_rq circuit_breakers_default_rq_open lb_healthy_panic membership_healthy membership_total "
                    + "outlier_detection_ejections_active outlier_detection_ejections_enforced_total upstream_cx_connect_fail upstream_rq_active upstream_rq_completed "
                    + "upstream_rq_error upstream_rq_pending_overflow upstream_rq_retry upstream_rq_retry_overflow upstream_rq_retry_success upstream_rq_rx_reset upstream_rq_time "
                    + "upstream_rq_timeout upstream_rq_total",
                ["envoy_cluster_name,envoy_response_code_class"] = "upstream_rq_xx",
                ["envoy_cluster_name,reason"] = "upstream_rq_retry_by_reason",
                ["envoy_cluster_name,limit"] = "upstream_rq_pending_overflow_by_limit",
                ["envoy_cluster_name,envoy_endpoint_address,destination"] = "endpoint_cx_connect_fail endpoint_ejections endpoint_healthy endpoint_rq_active endpoint_rq_error "
                    + "endpoint_rq_rx_reset endpoint_rq_success endpoint_rq_time endpoint_rq_timeout endpoint_rq_total",
                ["envoy_http_conn_manager_prefix"] = "downstream_cx_active downstream_cx_address_overflow downstream_cx_address_rate_limited downstream_cx_handshake_overflow downstream_cx_overflow downstream_cx_overload_reject "
                    + "downstream_cx_total downstream_global_cx_overflow downstream_pre_cx_timeout downstream_rq_active downstream_rq_completed downstream_rq_time downstream_rq_too_many_premature_resets downstream_rq_total ssl_connection_error",
                ["envoy_http_conn_manager_prefix,envoy_response_code_class"] = "downstream_rq_xx",
                ["envoy_local_http_ratelimit_prefix"] = "enabled enforced ok rate_limited",
                ["source"] = "age_seconds endpoints failing failures updates",
                [""] = "edge_accesslog_dropped edge_accesslog_left_out edge_accesslog_written edge_request_buffer_bytes edge_request_buffer_overflow envoy_server_live envoy_server_state envoy_server_total_connections envoy_server_uptime",
            }.Select(f => (f.Key, string.Join(' ', f.Value.Split(' ').Select(name => $"{Prefix(f.Key)}{name}")))).Order(),
            families.Select(f => (f.Key, f.Value)).Order());

        string FamilyOf(string sample) => text.Types.Keys.Where(family => sample.StartsWith(family, StringComparison.Ordinal)).MaxBy(family => family.Length)!;

        static string Prefix(string labels) => labels.Split('_', ',') switch
        {
            ["envoy", "cluster", ..] => "envoy_cluster_",
            ["envoy", "http", ..] => "envoy_http_",
            ["envoy", "local", ..] => "envoy_http_local_rate_limit_",
            ["source"] => "edge_discovery_",
            _ => "",
        };
    }

    [Fact]
    public void Instruments_OfTheMeter_HaveTheseNamesAndTags()
    {
        var instruments = new SortedDictionary<string, string>(StringComparer.Ordinal);
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (instrument.Meter.Name == "UserSvc.Edge" && instrument.Meter.Scope == _edge.Services.GetRequiredService<IMeterFactory>())
                {
                    instruments[instrument.Name] = instrument.Unit ?? "";
                    self.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, _, tags, _) => Note(instrument, tags));
        listener.SetMeasurementEventCallback<double>((instrument, _, tags, _) => Note(instrument, tags));
        listener.Start();

        listener.RecordObservableInstruments();

        Assert.Equal(
            [
                "edge.access_log.dropped {line}",
                "edge.access_log.left_out {line}",
                "edge.access_log.written {line}",
                "edge.circuit_breaker.overflows {request} cluster limit",
                "edge.discovery.age s source",
                "edge.discovery.failures {failure} source",
                "edge.discovery.updates {update} source",
                "edge.ejected {destination} cluster",
                "edge.ejections {ejection} cluster",
                "edge.healthy {destination} cluster",
                "edge.panic 1 cluster",
                "edge.retries {retry} cluster reason",
                "edge.retry.overflows {request} cluster",
                "edge.retry.successes {request} cluster",
                "edge.tls.certificate.expiry s",
            ],
            instruments.Select(i => $"{i.Key} {i.Value}"));

        void Note(Instrument instrument, ReadOnlySpan<KeyValuePair<string, object?>> tags) =>
            instruments[instrument.Name] = string.Join(' ', [instrument.Unit, .. tags.ToArray().Select(t => t.Key)]);
    }

    private static async Task<IEnumerable<string>> NamesAsync(EdgeHost edge) =>
        (await edge.Admin.AskAsync("/stats")).Body.TrimEnd('\n').Split('\n').Select(line => line[..line.LastIndexOf(": ", StringComparison.Ordinal)]);
}
