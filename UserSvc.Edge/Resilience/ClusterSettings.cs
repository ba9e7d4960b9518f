using System.Globalization;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Configuration.ClusterValidators;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// The edge's settings of a cluster, in its <c>Metadata</c>. Every key is optional. An unknown key, or a value out of its range,
/// prevents the start.
/// </summary>
internal sealed record ClusterSettings
{
    /// <summary><c>ConnectTimeout</c>: name lookup, TCP and TLS handshakes together. Default 250 ms; 1 ms to 1 min.</summary>
    public required TimeSpan ConnectTimeout { get; init; }

    /// <summary>
    /// <c>IdleTimeout</c>: no request goes over a connection that has waited this long for one. Must be shorter than the time after which the
    /// upstream closes idle connections: a POST or DELETE that meets the closing fails. Default none, and a connection is closed when it was
    /// idle for about a minute; 100 ms to 1 h.
    /// </summary>
    public required TimeSpan? IdleTimeout { get; init; }

    /// <summary><c>Retry.Attempts</c>: the maximum number of attempts per request; 1 disables retries. Default 3; 1 to 10.</summary>
    public required int Attempts { get; init; }

    /// <summary>
    /// <c>Retry.AttemptTimeout</c>: how long an attempt of a GET or HEAD waits for the answer's headers while another attempt may follow. The
    /// last attempt, and every other method, gets what is left of the route's <c>Timeout</c>. Default 1 s; 1 ms to 5 min.
    /// </summary>
    public required TimeSpan AttemptTimeout { get; init; }

    /// <summary><c>Retry.BudgetPercent</c>: retries per hundred requests of the last 10 s. Default 20; 0 to 100.</summary>
    public required int BudgetPercent { get; init; }

    /// <summary><c>Retry.BudgetPerSecond</c>: retries per second on top, so that a quiet service has some. Default 10; 0 to 10,000.</summary>
    public required int BudgetPerSecond { get; init; }

    /// <summary><c>Ejection.ConsecutiveFailures</c>: failed requests in a row that eject a destination. Default 5 (Envoy's consecutive_5xx); 1 to 1,000.</summary>
    public required int ConsecutiveFailures { get; init; }

    /// <summary>
    /// <c>Ejection.MaxTime</c>: the longest ejection. Each one lasts <c>HealthCheck:Passive:ReactivationPeriod</c> times the number of
    /// ejections. Default 300 s (Envoy's max_ejection_time); 1 s to 1 h.
    /// </summary>
    public required TimeSpan MaxEjectionTime { get; init; }

    /// <summary><c>Ejection.MaxPercent</c>: the share of a cluster's destinations that may be ejected at a time. Default 50; 0 to 100.</summary>
    public required int MaxEjectionPercent { get; init; }

    /// <summary>
    /// <c>Panic.Threshold</c>: below this percentage of healthy destinations, unhealthy ones get requests too. Default 50 (Envoy's
    /// healthy_panic_threshold); 0 means never.
    /// </summary>
    public required int PanicThreshold { get; init; }

    /// <summary><c>Probe.UnhealthyThreshold</c>: probes without an answer, in a row, that take a destination out. Default 2; 1 to 100.</summary>
    public required int UnhealthyThreshold { get; init; }

    /// <summary><c>Probe.HealthyThreshold</c>: successful probes, in a row, that bring it back. Default 1; 1 to 100.</summary>
    public required int HealthyThreshold { get; init; }

    /// <summary><c>CircuitBreaker.MaxRequests</c>: requests in flight in the cluster. Default 1,024 (Envoy's max_requests); 1 to 1,000,000.</summary>
    public required int MaxRequests { get; init; }

    /// <summary><c>CircuitBreaker.MaxRequestsPerDestination</c>: requests in flight at one destination. Default 512; 1 to 1,000,000.</summary>
    public required int MaxRequestsPerDestination { get; init; }

    /// <param name="metadata">The cluster's.</param>
    /// <param name="report">Receives a sentence for each unknown or invalid key, without a full stop: "Metadata:X must be …".</param>
    public static ClusterSettings Read(IReadOnlyDictionary<string, string>? metadata, Action<string>? report = null)
    {
        var reader = new Reader(metadata ?? new Dictionary<string, string>(), report);
        var settings = new ClusterSettings
        {
            ConnectTimeout = reader.Time("ConnectTimeout", TimeSpan.FromMilliseconds(250), TimeSpan.FromMilliseconds(1), TimeSpan.FromMinutes(1)),
            IdleTimeout = reader.Time("IdleTimeout", TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(1)),
            Attempts = reader.Number("Retry.Attempts", 3, 1, 10),
            AttemptTimeout = reader.Time("Retry.AttemptTimeout", TimeSpan.FromSeconds(1), TimeSpan.FromMilliseconds(1), TimeSpan.FromMinutes(5)),
            BudgetPercent = reader.Number("Retry.BudgetPercent", 20, 0, 100),
            BudgetPerSecond = reader.Number("Retry.BudgetPerSecond", 10, 0, 10_000),
            ConsecutiveFailures = reader.Number("Ejection.ConsecutiveFailures", 5, 1, 1_000),
            MaxEjectionTime = reader.Time("Ejection.MaxTime", TimeSpan.FromSeconds(300), TimeSpan.FromSeconds(1), TimeSpan.FromHours(1)),
            MaxEjectionPercent = reader.Number("Ejection.MaxPercent", 50, 0, 100),
            PanicThreshold = reader.Number("Panic.Threshold", 50, 0, 100),
            UnhealthyThreshold = reader.Number("Probe.UnhealthyThreshold", 2, 1, 100),
            HealthyThreshold = reader.Number("Probe.HealthyThreshold", 1, 1, 100),
            MaxRequests = reader.Number("CircuitBreaker.MaxRequests", 1_024, 1, 1_000_000),
            MaxRequestsPerDestination = reader.Number("CircuitBreaker.MaxRequestsPerDestination", 512, 1, 1_000_000),
        };
        reader.ReportUnknown();
        return settings;
    }

    private sealed class Reader(IReadOnlyDictionary<string, string> metadata, Action<string>? report)
    {
        // Keys of YARP's own policies.
        private readonly HashSet<string> _known = new(StringComparer.OrdinalIgnoreCase)
        {
            "ConsecutiveFailuresHealthPolicy.Threshold",
            "TransportFailureRateHealthPolicy.RateLimit",
        };

        public TimeSpan Time(string key, TimeSpan defaultValue, TimeSpan min, TimeSpan max) => Time(key, min, max) ?? defaultValue;

        public TimeSpan? Time(string key, TimeSpan min, TimeSpan max) =>
            Find(key) is not { } text ? null
            : TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var time) && time >= min && time <= max ? time
            : Refuse<TimeSpan?>(null, $"Metadata:{key} must be a time span from {min:c} to {max:c}, not '{text}'");

        public int Number(string key, int defaultValue, int min, int max) =>
            Find(key) is not { } text ? defaultValue
            : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max ? number
            : Refuse(defaultValue, $"Metadata:{key} must be a whole number from {min} to {max}, not '{text}'");

        public void ReportUnknown()
        {
            foreach (var key in metadata.Keys.Where(key => !_known.Contains(key)))
            {
                report?.Invoke(key.Equals("Retry.TryTimeout", StringComparison.OrdinalIgnoreCase)
                    ? $"Metadata:{key} is now Retry.AttemptTimeout: rename it"
                    : $"Metadata:{key} is unknown; the known keys are {string.Join(", ", _known.Order(StringComparer.Ordinal))}");
            }
        }

        private string? Find(string key)
        {
            _known.Add(key);
            return metadata.GetValueOrDefault(key);
        }

        private T Refuse<T>(T defaultValue, string sentence)
        {
            report?.Invoke(sentence);
            return defaultValue;
        }
    }
}

/// <summary>Refuses unknown or invalid cluster metadata, at start and at reload.</summary>
internal sealed class ClusterSettingsValidator : IClusterValidator
{
    public ValueTask ValidateAsync(ClusterConfig cluster, IList<Exception> errors)
    {
        ClusterSettings.Read(cluster.Metadata, sentence => errors.Add(new ArgumentException($"{sentence}, in the cluster {cluster.ClusterId}.")));
        return ValueTask.CompletedTask;
    }
}
