using System.Net;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using UserSvc.AppHost.Postgres;
using UserSvc.AppHost.Processes;
using UserSvc.AppHost.Topology;

namespace UserSvc.AppHost.Resources;

/// <summary>What a run on one machine adds to the model. While publishing it adds nothing, and every member gives the cluster's value.</summary>
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

    /// <summary>One resource an instance: behind the proxy that replicas share, the edge would see a single destination.</summary>
    public IEnumerable<string> InstanceNames => Options is null ? ["usersvc"] : Enumerable.Range(1, Options.Replicas).Select(i => $"usersvc-{i}");

    public int ReplicasOfEach => Options is null ? ClusterReplicas : 1;

    /// <summary>A sidecar stands before each instance. Never while publishing: in a cluster it is a container of the instance's pod, no resource.</summary>
    public bool HasSidecars => Options?.Sidecars == true;

    /// <summary>Null without TLS, and while publishing.</summary>
    public LocalCertificate? Certificate => _state?.Certificate;

    /// <summary>The server from local binaries, from the moment it is being started.</summary>
    public Task<PostgresServer>? Postgres { get; set; }

    public int ExitCode { get; set; }

    public static DistributedApplicationOptions BuilderOptions(TopologyOptions options, string[] args)
    {
        // The dashboard's ports matter to nobody: another dashboard on them is no reason to fail.
        foreach (var name in (string[])["ASPNETCORE_URLS", "ASPIRE_DASHBOARD_OTLP_ENDPOINT_URL"])
        {
            if (Uri.TryCreate(Environment.GetEnvironmentVariable(name), UriKind.Absolute, out var url) && url.IsLoopback && !Ports.IsFree(IPAddress.Loopback, url.Port))
            {
                Environment.SetEnvironmentVariable(name, $"{url.Scheme}://{url.Host}:{Ports.Free()}");
            }
        }

        return new() { Args = args, DisableDashboard = !options.Dashboard };
    }

    /// <exception cref="LaunchException">An option is out of range, another run holds the state, a port is taken, or there is no PostgreSQL.</exception>
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
            var choice = new PostgresChoice(state.Postgres.Folder, Console.WriteLine);
            if (options.Fresh)
            {
                await choice.DeleteDataAsync(CancellationToken.None);
            }

            var kind = await choice.DecideAsync(options.Postgres, CancellationToken.None);
            builder.Configuration["Parameters:admin-key"] = state.AdminKey;
            builder.Configuration["Parameters:postgres-password"] = state.PostgresPassword;
            builder.Services.AddHostedService<Supervision>();
            // PostgreSQL from local binaries stops after that, when nothing uses it any more.
            builder.Configuration["DcpPublisher:WaitForResourceCleanup"] = "true";
            return new(builder.Configuration, options, state, kind);
        }
        catch
        {
            state.Dispose();
            throw;
        }
    }

    public PostgresOptions PostgresOptions => _state!.Postgres;

    public string PostgresVolume => _state?.PostgresVolume ?? "postgres-data";

    public async Task WelcomeAsync(IResource edge, ResourceReadyEvent ready, CancellationToken cancellationToken)
    {
        if (Options is not null && !_welcomed)
        {
            _welcomed = true;
            var url = _configuration["ASPNETCORE_URLS"]?.Split(';')[0];
            var postgres = Postgres is { } server ? (await server).Description : $"{PostgresChoice.Image} in a container, data in volume {PostgresVolume}";
            Console.WriteLine(Welcome.Text(Options, _state!, postgres, Options.Dashboard ? $"{url}/login?t={_configuration["AppHost:BrowserToken"]}" : null));
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
