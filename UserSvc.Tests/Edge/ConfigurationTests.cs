using System.Diagnostics;

namespace UserSvc.Tests.Edge;

public sealed class ConfigurationTests
{
    private const string Destination = "ReverseProxy:Clusters:usersvc:Destinations:usersvc-1:Address";

    [Fact]
    public void Start_WithoutADestination_FailsAndNamesTheVariable()
    {
        var failure = Record.Exception(() => UserSvc.Edge.Program.Build(EdgeHost.Arguments([])));

        Assert.Equal(
            "The cluster usersvc has no destination. Set ReverseProxy__Clusters__usersvc__Destinations__<name>__Address, once for each instance, to an address such as http://host:8080.",
            failure?.Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("localhost:8080")]
    [InlineData("/user")]
    public void Start_WithAnInvalidAddress_FailsAndNamesTheSetting(string address)
    {
        var failure = Record.Exception(() => UserSvc.Edge.Program.Build(EdgeHost.Arguments([(Destination, address)])));

        Assert.Equal($"{Destination} is not an address such as http://host:8080: {address}", failure?.Message);
    }

    [Fact]
    public void Start_WithAnUnknownScheme_FailsAndListsTheKnownOnes()
    {
        var failure = Record.Exception(() => UserSvc.Edge.Program.Build(EdgeHost.Arguments([(Destination, "ftp://localhost")])));

        Assert.Equal(
            $"{Destination} has the unknown scheme ftp; use http, https, dns+http, dns+https, sds+http, k8s+http or k8s+https: ftp://localhost",
            failure?.Message);
    }

    [Theory]
    [InlineData("ConnectTimeout", "soon", "must be a time span from 00:00:00.0010000 to 00:01:00, not 'soon'")]
    [InlineData("ConnectTimeout", "00:00:00", "must be a time span from 00:00:00.0010000 to 00:01:00, not '00:00:00'")]
    [InlineData("Retry.Attempts", "-1", "must be a whole number from 1 to 10, not '-1'")]
    [InlineData("Panic.Threshold", "101", "must be a whole number from 0 to 100, not '101'")]
    [InlineData("Retry.Attempt", "2", "is unknown; the known keys are CircuitBreaker.MaxRequests, CircuitBreaker.MaxRequestsPerDestination, ConnectTimeout, ConsecutiveFailuresHealthPolicy.Threshold, Ejection.ConsecutiveFailures, Ejection.MaxPercent, Ejection.MaxTime, IdleTimeout, Panic.Threshold, Probe.HealthyThreshold, Probe.UnhealthyThreshold, Retry.AttemptTimeout, Retry.Attempts, Retry.BudgetPerSecond, Retry.BudgetPercent, TransportFailureRateHealthPolicy.RateLimit")]
    [InlineData("Retry.TryTimeout", "00:00:01", "is now Retry.AttemptTimeout: rename it")]
    public void Start_WithInvalidClusterMetadata_FailsAndNamesIt(string key, string value, string reason)
    {
        var failure = Record.Exception(() => UserSvc.Edge.Program.Build(
            EdgeHost.Arguments([(Destination, "http://localhost:8080"), ($"{EdgeHost.Metadata}:{key}", value)])));

        Assert.Equal($"Metadata:{key} {reason}, in the cluster usersvc.", failure?.Message);
    }

    [Theory]
    [InlineData("ReverseProxy:Clusters:usersvc:LoadBalancePolicy", "Random",
        "{key} is not a setting. ReverseProxy:Clusters:usersvc has Destinations, HealthCheck, HttpClient, HttpRequest, LoadBalancingPolicy, Metadata, SessionAffinity.")]
    [InlineData("ReverseProxy:Clusters:usersvc:HealthCheck:Active:Intervall", "00:00:01",
        "{key} is not a setting. ReverseProxy:Clusters:usersvc:HealthCheck:Active has Enabled, Interval, Path, Policy, Query, Timeout.")]
    [InlineData("ReverseProxy:Clusters:usersvc:Destinations:usersvc-1:Weight", "2",
        "{key} is not a setting. ReverseProxy:Clusters:usersvc:Destinations:usersvc-1 has Address, Health, Host.")]
    [InlineData("ReverseProxy:Routes:user:Metadata:Retries", "2", "Metadata:Retries is unknown; there is AccessLog.Requests, in the route user.")]
    [InlineData("ReverseProxy:Routes:user:AuthorizationPolicy", "Default", "{key} is not a setting. ReverseProxy:Routes:user has ClusterId, CorsPolicy, Match, MaxRequestBodySize, Metadata, Order, RateLimiterPolicy, Timeout, TimeoutPolicy, Transforms.")]
    [InlineData("ReverseProxy:Clusters:usersvc:HttpClient:RequestHeaderEncoding", "utf-8",
        "{key} is not a setting. ReverseProxy:Clusters:usersvc:HttpClient has DangerousAcceptAnyServerCertificate, EnableMultipleHttp2Connections, MaxConnectionsPerServer, SslProtocols, WebProxy.")]
    [InlineData("ReverseProxy:Cluster:usersvc:LoadBalancingPolicy", "Random", "ReverseProxy:Cluster is not a setting. ReverseProxy has Clusters, Routes.")]
    [InlineData("Kestrel:Endpoints:Http:Adress", "http://*:80", "{key} is not a setting. Kestrel:Endpoints:Http has Certificate, Protocols, Url.")]
    [InlineData("Kestrel:Limits:Http2:MaxStreams", "1",
        "{key} is not a setting. Kestrel:Limits:Http2 has HeaderTableSize, InitialConnectionWindowSize, InitialStreamWindowSize, KeepAlivePingDelay, KeepAlivePingTimeout, MaxFrameSize, MaxRequestHeaderFieldSize, MaxStreamsPerConnection.")]
    [InlineData("Edge:Reload:Intervall", "00:00:01", "{key} is not a setting. Edge:Reload has Interval.")]
    [InlineData("Edge:TrustedProxy:0", "10.0.0.0/8", "Edge:TrustedProxy is not a setting. Edge has AccessLog, Admin, AnswerAttemptCount, Connections, Cors, Discovery, FairShares, Https, Mode, Path, RateLimits, Reload, RequestBuffer, TraceUrl, TrustSampling, TrustedProxies.")]
    [InlineData("Edge:AccessLog:Path", "Route", "{key} is not a setting. Edge:AccessLog has File, Headers, MaxFiles, MaxPerSecond, MaxSize, Paths, Query, Requests.")]
    [InlineData("Edge:RateLimits:login:Permit", "10", "{key} is not a setting. Edge:RateLimits:login has Algorithm, Burst, Partition, Permits, Shadow, Window.")]
    [InlineData("Edge:Discovery:Dns:Intervall", "00:00:10", "{key} is not a setting. Edge:Discovery:Dns has Family, HostsFile, Interval, MinInterval, ResolverFile, Server, Timeout.")]
    [InlineData("Kestrel:Endpoints:Http:ClientCertificateMode", "RequireCertificate", "{key} is not a setting. Kestrel:Endpoints:Http has Certificate, Protocols, Url.")]
    [InlineData("Drain:Tim", "00:00:01", "{key} is not a setting. Drain has Grace, Time.")]
    public void Start_WithAnUnknownKey_FailsAndListsTheKnownOnes(string key, string value, string message) =>
        AssertRefused(key, value, message);

    [Theory]
    [InlineData("ReverseProxy:Clusters:usersvc:HealthCheck:Active:Interval", "5", "{key} is not a time span such as 00:00:10: 5")]
    [InlineData("ReverseProxy:Clusters:usersvc:HealthCheck:Active:Enabled", "on", "{key} is not true or false: on")]
    [InlineData("ReverseProxy:Clusters:usersvc:HttpRequest:Version", "two", "{key} is not a version such as 1.1 or 2: two")]
    [InlineData("ReverseProxy:Clusters:usersvc:HttpRequest:VersionPolicy", "Exact", "{key} is not one of RequestVersionOrLower, RequestVersionOrHigher, RequestVersionExact: Exact")]
    [InlineData("ReverseProxy:Clusters:usersvc:HttpClient:SslProtocols", "Tls13", "{key} is a section or a list, not one value.")]
    [InlineData("ReverseProxy:Clusters:usersvc:LoadBalancingPolicy:Name", "Random", "ReverseProxy:Clusters:usersvc:LoadBalancingPolicy is one value, not a section or a list.")]
    [InlineData("Kestrel:Limits:MaxRequestBodySize", "64k", "{key} is not a number in range: 64k")]
    [InlineData("Kestrel:Limits:MaxRequestLineSize", "-1", "{key} cannot be -1: Value must be a positive number. (Parameter 'value')")]
    [InlineData("Kestrel:Limits:MaxConcurrentConnections", "5", "{key} is not used, because Kestrel does not count every connection that ends; set Edge:Connections:Max.")]
    [InlineData("Edge:Connections:Max", "0", "Edge:Connections: Max must be between 1 and 1000000, AddressPerSecond between 0 and 100000, MaxHandshakes between 1 and 1000000, MaxResets between 0 and 1000000, and FirstByteTimeout between 100 ms and 1 h.")]
    [InlineData("Edge:Https:HandshakeTimeout", "00:00:00", "Edge:Https: ReloadInterval must be between 100 ms and 1 h, HandshakeTimeout between 100 ms and 5 min, RedirectPort between 1 and 65535, and HstsMaxAge at least one second.")]
    [InlineData("Kestrel:Limits:MinRequestBodyDataRate:BytesPerSecond", "-5", "Kestrel:Limits:MinRequestBodyDataRate cannot be -5, 00:00:05: Value must be a positive number. To disable a minimum data rate, use null where a MinDataRate instance is expected. (Parameter 'bytesPerSecond')")]
    [InlineData("Edge:Path:EscapedSlashes", "Decode", "{key} is not one of Keep, Reject: Decode")]
    [InlineData("Edge:AccessLog:Requests", "Errors", "{key} is not one of None, Failures, All: Errors")]
    [InlineData("Edge:AccessLog:MaxSize", "64M", "{key} is not a number in range: 64M")]
    [InlineData("Edge:AccessLog:MaxFiles", "0", "Edge:AccessLog: MaxSize must be at least 4096 bytes, MaxFiles between 1 and 100, and MaxPerSecond between 1 and 100000.")]
    [InlineData("Edge:AccessLog:Headers:0", "authorization", "Edge:AccessLog:Headers must be names of headers other than Authorization, Proxy-Authorization and Cookie: those hold credentials.")]
    [InlineData("ReverseProxy:Routes:user:Metadata:AccessLog.Requests", "Errors", "Metadata:AccessLog.Requests must be None, Failures or All, not 'Errors', in the route user.")]
    [InlineData("Edge:RateLimits:login:Permits", "0", "{key} must be a whole number from 1 to 1000000.")]
    [InlineData("Edge:RateLimits:disable:Permits", "10", "Edge:RateLimits:disable must be named by 1 to 64 letters, digits, - and _, and not default or disable.")]
    [InlineData("Edge:FairShares", "yes", "{key} is not true or false: yes")]
    [InlineData("Edge:RequestBuffer:MaxBytes", "65536", "Edge:RequestBuffer:MaxBytes must be between 1048576 (1 MiB) and 68719476736 (64 GiB).")]
    [InlineData("Edge:AnswerAttemptCount", "always", "{key} is not true or false: always")]
    [InlineData("Edge:TraceUrl", "https://tempo.internal/", "{key} must be an http or https URL that contains {trace_id}, such as https://tempo.internal/trace/{trace_id}: https://tempo.internal/")]
    [InlineData("Edge:TraceUrl", "javascript:alert({trace_id})", "{key} must be an http or https URL that contains {trace_id}, such as https://tempo.internal/trace/{trace_id}: javascript:alert({trace_id})")]
    [InlineData("Edge:TraceUrl", "/trace/{trace_id}", "{key} must be an http or https URL that contains {trace_id}, such as https://tempo.internal/trace/{trace_id}: /trace/{trace_id}")]
    [InlineData("Edge:Mode", "Sidekick", "{key} is not one of Edge, Sidecar: Sidekick")]
    [InlineData("Edge:TrustSampling", "always", "{key} is not true or false: always")]
    [InlineData("Logging:Console:LogLevel:Yarp", "Loud", "{key} is not one of Trace, Debug, Information, Warning, Error, Critical, None: Loud")]
    public void Start_WithAValueOfTheWrongKind_FailsAndNamesTheSettingAndTheValue(string key, string value, string message) =>
        AssertRefused(key, value, message);

    [Fact]
    public void Start_WithALimitThatIsWrong_FailsAndNamesEachSetting()
    {
        (string, string)[] limit = [("Window", "00:00:00.500"), ("Burst", "5"), ("Algorithm", "SlidingWindow"), ("Partition", "Header")];

        var failure = Record.Exception(() => UserSvc.Edge.Program.Build(
            EdgeHost.Arguments([(Destination, "http://localhost:8080"), .. limit.Select(l => ($"Edge:RateLimits:login:{l.Item1}", l.Item2))])));

        Assert.Equal(
            """
            Edge:RateLimits:login:Permits must be a whole number from 1 to 1000000.
            Edge:RateLimits:login:Window must be whole seconds, from 1 s to 1 day.
            Edge:RateLimits:login:Burst must be a whole number from 1 to 1000000, and is for TokenBucket only.
            Edge:RateLimits:login:Partition must be Address, All, or Header: and a header's name, such as Header:X-Api-Key.
            """.ReplaceLineEndings(),
            failure?.Message);
    }

    [Theory]
    [InlineData("ReverseProxy:Clusters:usersvc:LoadBalancingPolicy", "Randum", "No matching ILoadBalancingPolicy found for the load balancing policy 'Randum' set on the cluster 'usersvc'.")]
    [InlineData("ReverseProxy:Clusters:usersvc:HealthCheck:Active:Policy", "Never", "No matching IActiveHealthCheckPolicy found for the active health check policy name 'Never' set on the cluster 'usersvc'.")]
    [InlineData("ReverseProxy:Clusters:usersvc:HealthCheck:AvailableDestinationsPolicy", "All", "No matching IAvailableDestinationsPolicy found for the available destinations policy 'All' set on the cluster.'usersvc'.")]
    [InlineData("ReverseProxy:Clusters:usersvc:HealthCheck:Passive:Policy", "Never", "No matching IPassiveHealthCheckPolicy found for the passive health check policy name 'Never' set on the cluster 'usersvc'.")]
    [InlineData("ReverseProxy:Routes:user:ClusterId", "users", "ReverseProxy:Routes:user:ClusterId is not a known cluster: users. The clusters are usersvc.")]
    [InlineData("ReverseProxy:Routes:user:RateLimiterPolicy", "login", "RateLimiter policy 'login' not found for route 'user'.")]
    [InlineData("ReverseProxy:Routes:user:Transforms:1:PathPrefixx", "/a", "Unknown transform: PathPrefixx")]
    public void Start_WithAnUnknownName_FailsAndNamesIt(string key, string value, string message) =>
        AssertRefused(key, value, message);

    [Theory]
    [InlineData("ReverseProxy:Clusters:usersvc:LoadBalancePolicy", "Random",
        "ReverseProxy:Clusters:usersvc:LoadBalancePolicy is not a setting. ReverseProxy:Clusters:usersvc has Destinations, HealthCheck, HttpClient, HttpRequest, LoadBalancingPolicy, Metadata, SessionAffinity.")]
    [InlineData("Drain:Time", "01:00:00", "Drain:Time and Drain:Grace must be between 0 and 5 minutes")]
    [InlineData("Edge:Reload:Interval", "00:00:00", "Edge:Reload:Interval must be between 50 ms and 1 h.")]
    [InlineData("Kestrel:Endpoints:Http:Url", "nonsense", "Invalid url: 'nonsense'")]
    [InlineData("contentRoot", "/no/folder", "The content root is not a folder: /no/folder/")]
    public async Task Process_ThatCannotStart_SaysWhyInOneLineAndExitsWithOne(string key, string value, string message)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(typeof(UserSvc.Edge.Program).Assembly.Location);
        foreach (var argument in EdgeHost.Arguments([(Destination, "http://127.0.0.1:9"), ("Logging:LogLevel:Yarp.ReverseProxy.Health", "None"), (key, value)]))
        {
            start.ArgumentList.Add(argument);
        }

        using var edge = Process.Start(start)!;
        var output = edge.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var error = await edge.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await edge.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.Equal((1, message + Environment.NewLine, ""), (edge.ExitCode, error, await output));
    }

    private static void AssertRefused(string key, string value, string message)
    {
        var failure = Record.Exception(() => UserSvc.Edge.Program.Build(EdgeHost.Arguments([(Destination, "http://localhost:8080"), (key, value)])));

        Assert.Equal(message.Replace("{key}", key, StringComparison.Ordinal), failure?.Message);
    }
}
