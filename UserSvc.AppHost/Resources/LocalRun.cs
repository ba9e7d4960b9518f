using System.Net;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using UserSvc.AppHost.Postgres;
using UserSvc.AppHost.Processes;
using UserSvc.AppHost.Topology;

namespace UserSvc.AppHost.Resources;

/// <summary>What a run on this machine adds to the model. While publishing it adds nothing, and its members have the values of a cluster.</summary>
internal sealed class LocalRun : IAsyncDisposable
{
    private const int ClusterReplicas = 3;

    private readonly IConfiguration _configuration;
    private readonly LocalState? _state;
    private bool _welcomed;

    private LocalRun(IConfiguration configuration, TopologyOptions? options = null, LocalState? state = null, PostgresKind? postgresKind = null)
    {
        _configuration = configuration;
        _state = state;
        Options = options;
        PostgresKind = postgresKind;
    }

    /// <summary>Null while publishing.</summary>
    public TopologyOptions? Options { get; }

    /// <summary>Null while publishing.</summary>
    public PostgresKind? PostgresKind { get; }

    /// <summary>Locally each instance is a resource: behind the proxy that Aspire puts in front of replicas, the edge would see one destination.</summary>
    public IEnumerable<string> InstanceNames => Options is null ? ["usersvc"] : Enumerable.Range(1, Options.Replicas).Select(i => $"usersvc-{i}");

    public int ReplicasOfEach => Options is null ? ClusterReplicas : 1;

    /// <summary>Whether each instance has a sidecar. False while publishing: in a cluster the sidecar is a container in the instance's pod.</summary>
    public bool HasSidecars => Options?.Sidecars == true;

    /// <summary>Null without a dashboard, and while publishing.</summary>
    public string? Dashboard => Options?.Dashboard == true ? _configuration["ASPNETCORE_URLS"]?.Split(';')[0] : null;

    /// <summary>Null without TLS, and while publishing.</summary>
    public LocalCertificate? Certificate => _state?.Certificate;

    public PostgresOptions PostgresOptions => _state!.Postgres;

    public string PostgresVolume => _state?.Postgres.Volume ?? "postgres-data";

    /// <summary>The server from local binaries, set when its start begins.</summary>
    public Task<PostgresServer>? Postgres { get; set; }

    public int ExitCode { get; set; }

    /// <summary>Moves the dashboard to free ports if another one has the usual ports. Nothing else needs to know them.</summary>
    public static void MoveDashboardOffTakenPorts()
    {
        foreach (var name in (string[])["ASPNETCORE_URLS", "ASPIRE_DASHBOARD_OTLP_ENDPOINT_URL"])
        {
            if (Uri.TryCreate(Environment.GetEnvironmentVariable(name), UriKind.Absolute, out var url) && url.IsLoopback && !Ports.IsFree(IPAddress.Loopback, url.Port))
            {
                Environment.SetEnvironmentVariable(name, $"{url.Scheme}://{url.Host}:{Ports.Free()}");
            }
        }
    }

    /// <exception cref="LaunchException">An option is unknown, another AppHost runs, a port is taken, or there is no PostgreSQL.</exception>
    public static async Task<LocalRun> PrepareAsync(IDistributedApplicationBuilder builder, TopologyOptions options, string[] args)
    {
        if (builder.ExecutionContext.IsPublishMode)
        {
            return new(builder.Configuration);
        }

        TopologyOptions.CheckNames<TopologyOptions>(args);
        var state = LocalState.Take(options);
        try
        {
            await state.RequireFreePortsAsync();
            if (options.Fresh)
            {
                await new PostgresData(state.Postgres).DeleteAsync(CancellationToken.None);
            }

            var kind = await PostgresChoice.MakeAsync(options.Postgres, state.Postgres, CancellationToken.None);
            builder.Configuration["Parameters:admin-key"] = state.AdminKey;
            builder.Configuration["Parameters:postgres-password"] = state.PostgresPassword;
            builder.Services.AddHostedService<Supervision>();
            // A local PostgreSQL server stops after the resources, when nothing uses it any more.
            builder.Configuration["DcpPublisher:WaitForResourceCleanup"] = "true";
            return new(builder.Configuration, options, state, kind);
        }
        catch
        {
            state.Dispose();
            throw;
        }
    }

    public async Task WelcomeAsync(IResource edge, ResourceReadyEvent ready, CancellationToken cancellationToken)
    {
        if (Options is not null && !_welcomed)
        {
            _welcomed = true;
            var postgres = Postgres is { } server ? (await server).Description : $"{PostgresChoice.Image} in a container, data in volume {PostgresVolume}";
            Console.WriteLine(Welcome.Text(Options, _state!, postgres, Dashboard is { } url ? $"{url}/login?t={_configuration["AppHost:BrowserToken"]}" : null));
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Postgres is { } start)
        {
            await ((Task)start).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await (start.IsCompletedSuccessfully ? (await start).DisposeAsync() : ValueTask.CompletedTask);
        }

        _state?.Dispose();
    }
}
