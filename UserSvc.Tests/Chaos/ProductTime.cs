using UserSvc.Tests.Edge;

namespace UserSvc.Tests.Chaos;

/// <summary>
/// The product's time limits. A starved machine would exceed the shipped ones without any fault, so scenarios multiply them by
/// <see cref="Factor"/>. Ejections end and reloads happen sooner, because scenarios wait for them. <c>bench/faults.sh</c> uses the shipped limits.
/// </summary>
internal sealed record ProductTime(IReadOnlyList<(string Key, string Value)> Edge, IReadOnlyList<(string Key, string Value)> Instance, string Database)
{
    public const int Factor = 4;

    private const string Cluster = "ReverseProxy:Clusters:usersvc";

    public static readonly ProductTime AsShipped = new([], [], "");

    public static readonly ProductTime Widened = new(
        [
            ("ReverseProxy:Routes:user:Timeout", Seconds(15)),
            ($"{Cluster}:HttpRequest:ActivityTimeout", Seconds(10)),
            ($"{Cluster}:HealthCheck:Active:Timeout", Seconds(0.5)),
            ($"{EdgeHost.Metadata}:ConnectTimeout", Seconds(0.25)),
            ($"{EdgeHost.Metadata}:Retry.AttemptTimeout", Seconds(1)),
            // An ejection is 30 s as shipped, and the reload interval 1 s.
            ($"{Cluster}:HealthCheck:Passive:ReactivationPeriod", "00:00:02"),
            ("Edge:Reload:Interval", "00:00:00.250"),
        ],
        // Longer than a round of the edge's probes, so that the edge stops sending before an instance closes.
        [("Drain:Time", "00:00:04"), ("Passwords:MaxWait", Seconds(2))],
        $";Timeout={2 * Factor};Command Timeout={3 * Factor}");

    private static string Seconds(double shipped) => $"{TimeSpan.FromSeconds(shipped * Factor)}";
}
