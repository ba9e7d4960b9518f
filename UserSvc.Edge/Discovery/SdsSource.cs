using System.Net;

namespace UserSvc.Edge.Discovery;

/// <summary>
/// Polls a registration service (<c>GET /v1/registration/{service}</c>, Envoy's SDS over REST). An answer that is not wholly good is a
/// failure, and so is an empty one: in this protocol it cannot be told from a service that has just started and knows nothing yet.
/// </summary>
internal sealed class SdsSource : DiscoverySource
{
    private const int MaxHosts = 10_000;
    private const int MaxBody = 4 * 1024 * 1024;

    private readonly SdsAddress _sds;
    private readonly HttpClient _client;

    public SdsSource(string address, SdsAddress sds, DiscoverySettings settings)
        : base(address, settings)
    {
        _sds = sds;
        _client = new(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            // The name is looked up again at times, where the service is moved.
            PooledConnectionLifetime = TimeSpan.FromMinutes(1),
            // A poll is no trace of anybody's.
            ActivityHeadersPropagator = null,
        })
        {
            Timeout = Options.Sds.Timeout,
            MaxResponseContentBufferSize = MaxBody,
        };
    }

    public override string Scheme => "http";

    protected override async Task<TimeSpan> ReadAsync(CancellationToken cancellationToken)
    {
        using var response = await _client.GetAsync(_sds.Registration, cancellationToken);
        response.EnsureSuccessStatusCode();
        var answer = await response.Content.ReadFromJsonAsync(RegistrationJson.Default.RegistrationAnswer, cancellationToken);
        Publish(answer?.Hosts switch
        {
            null => throw new FormatException("the answer has no hosts member"),
            [] => throw new FormatException("the answer has no host"),
            { Count: > MaxHosts } => throw new FormatException($"the answer has more than {MaxHosts} hosts"),
            var hosts => [.. hosts.Select(Endpoint)],
        });
        return Options.Sds.Interval * (0.8 + Random.Shared.NextDouble() * 0.4);
    }

    protected override void Dispose(bool disposing)
    {
        _client.Dispose();
        base.Dispose(disposing);
    }

    private static DiscoveredEndpoint Endpoint(RegisteredHost? host) =>
        IPAddress.TryParse(host?.IpAddress, out var address) && host.Port is > 0 and <= IPEndPoint.MaxPort
            ? DiscoveredEndpoint.At(new(address, host.Port))
            : throw new FormatException($"the answer has a host that is no IP address and port: {host?.IpAddress} {host?.Port}");
}
