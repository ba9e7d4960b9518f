using System.Globalization;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Configuration.ClusterValidators;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// What a cluster's <c>Metadata</c> may set beside YARP's own settings. Every key is optional; one that is not named here, or a value
/// out of its range, stops the start.
/// </summary>
internal sealed record ClusterSettings
{
    /// <summary><c>ConnectTimeout</c>: name lookup, TCP and TLS handshakes together. Default 250 ms; 1 ms to 1 min.</summary>
    public required TimeSpan ConnectTimeout { get; init; }

    /// <summary><c>Retry.Attempts</c>: tries of one request in all; 1 is no retry. Default 3; 1 to 10.</summary>
    public required int Attempts { get; init; }

    /// <summary>
    /// <c>Retry.TryTimeout</c>: how long a try of a GET or HEAD may go without an answer's headers while another try may follow. The last
    /// one, and every other method, has what is left of the route's <c>Timeout</c>. Default 1 s; 1 ms to 5 min.
    /// </summary>
    public required TimeSpan TryTimeout { get; init; }

    /// <summary><c>Retry.BudgetPercent</c>: retries among a hundred requests of the last 10 s. Default 20; 0 to 100.</summary>
    public required int BudgetPercent { get; init; }

    /// <summary><c>Retry.BudgetPerSecond</c>: retries a second on top of that, so that a quiet service has some. Default 10; 0 to 10,000.</summary>
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
    /// <c>Panic.Threshold</c>: with a smaller share of healthy destinations, in percent, requests go to the others too. Default 50
    /// (Envoy's healthy_panic_threshold); 0 never does.
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
    /// <param name="report">Gets a sentence for each key that is unknown or out of range, without its end: "Metadata:X must be …".</param>
    public static ClusterSettings Read(IReadOnlyDictionary<string, string>? metadata, Action<string>? report = null)
    {
        var reader = new Reader(metadata ?? new Dictionary<string, string>(), report);
        var settings = new ClusterSettings
        {
            ConnectTimeout = reader.Time("ConnectTimeout", TimeSpan.FromMilliseconds(250), TimeSpan.FromMilliseconds(1), TimeSpan.FromMinutes(1)),
            Attempts = reader.Number("Retry.Attempts", 3, 1, 10),
            TryTimeout = reader.Time("Retry.TryTimeout", TimeSpan.FromSeconds(1), TimeSpan.FromMilliseconds(1), TimeSpan.FromMinutes(5)),
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
        // Of policies that YARP brings.
        private readonly HashSet<string> _known = new(StringComparer.OrdinalIgnoreCase)
        {
            "ConsecutiveFailuresHealthPolicy.Threshold",
            "TransportFailureRateHealthPolicy.RateLimit",
        };

        public TimeSpan Time(string key, TimeSpan otherwise, TimeSpan least, TimeSpan most) =>
            Find(key) is not { } text ? otherwise
            : TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var time) && time >= least && time <= most ? time
            : Refuse(otherwise, $"Metadata:{key} must be a time span from {least:c} to {most:c}, not '{text}'");

        public int Number(string key, int otherwise, int least, int most) =>
            Find(key) is not { } text ? otherwise
            : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most ? number
            : Refuse(otherwise, $"Metadata:{key} must be a whole number from {least} to {most}, not '{text}'");

        public void ReportUnknown()
        {
            foreach (var key in metadata.Keys.Where(key => !_known.Contains(key)))
            {
                report?.Invoke($"Metadata:{key} is unknown; there are {string.Join(", ", _known.Order(StringComparer.Ordinal))}");
            }
        }

        private string? Find(string key)
        {
            _known.Add(key);
            return metadata.GetValueOrDefault(key);
        }

        private T Refuse<T>(T otherwise, string sentence)
        {
            report?.Invoke(sentence);
            return otherwise;
        }
    }
}

/// <summary>Stops a start, and refuses a reload, with unknown or impossible cluster metadata.</summary>
internal sealed class ClusterSettingsValidator : IClusterValidator
{
    public ValueTask ValidateAsync(ClusterConfig cluster, IList<Exception> errors)
    {
        ClusterSettings.Read(cluster.Metadata, sentence => errors.Add(new ArgumentException($"{sentence}, in the cluster {cluster.ClusterId}.")));
        return ValueTask.CompletedTask;
    }
}
