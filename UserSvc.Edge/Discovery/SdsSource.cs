using System.Net;

namespace UserSvc.Edge.Discovery;

internal sealed class SdsOptions
{
    /// <summary>The time between two polls, each up to a fifth shorter or longer at random. Default 15 s.</summary>
    public TimeSpan Interval { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>How long a whole answer may take. Default 5 s.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(5);
}

/// <summary>
/// Polls a registration service (<c>GET /v1/registration/{service}</c>, Envoy's SDS over REST). An answer with any mistake is a failure, and
/// so is an empty one: a registration service that has just started and knows nothing yet answers the same.
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
            // Looks the name up again now and then, in case the service has moved.
            PooledConnectionLifetime = TimeSpan.FromMinutes(1),
            // A poll belongs to no trace.
            ActivityHeadersPropagator = null,
        })
        {
            Timeout = Options.Sds.Timeout,
            MaxResponseContentBufferSize = MaxBody,
        };
    }

    public override string Scheme => "http";

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        _client.Dispose();
    }

    protected override async Task<TimeSpan> RefreshAsync(CancellationToken cancellationToken)
    {
        using var response = await _client.GetAsync(_sds.Registration, cancellationToken);
        response.EnsureSuccessStatusCode();
        var answer = await response.Content.ReadFromJsonAsync(RegistrationJson.Default.RegistrationAnswer, cancellationToken);
        Publish(answer?.Hosts switch
        {
            null => throw new FormatException("the answer has no member hosts"),
            [] => throw new FormatException("the answer lists no hosts"),
            { Count: > MaxHosts } => throw new FormatException($"the answer lists more than {MaxHosts} hosts"),
            var hosts => [.. hosts.Select(ToEndpoint)],
        });
        return Options.Sds.Interval * (0.8 + Random.Shared.NextDouble() * 0.4);
    }

    private static DiscoveredEndpoint ToEndpoint(RegisteredHost? host) =>
        IPAddress.TryParse(host?.IpAddress, out var address) && host.Port is > 0 and <= IPEndPoint.MaxPort
            ? DiscoveredEndpoint.FromAddress(new(address, host.Port))
            : throw new FormatException($"the answer lists a host that is not an IP address and port: {host?.IpAddress} {host?.Port}");
}
