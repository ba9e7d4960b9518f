using System.Reflection;
using UserSvc.AppHost.Processes;
using UserSvc.Tests.AppHost;
using UserSvc.Tests.Chaos;
using UserSvc.Tests.Edge;

namespace UserSvc.Tests.Images;

/// <summary>A service as its image starts it: in production, with the variables of the image and its base. Ports are free ones.</summary>
internal sealed class ContainerProcess : IAsyncDisposable
{
    /// <summary>The trace of <see cref="AskTracedAsync"/>.</summary>
    public const string TraceId = "0af7651916cd43dd8448eb211c80319c";

    private readonly string _folder;
    private readonly ServiceProcess _process;

    private ContainerProcess(string name, string project, Assembly service, Uri address, Uri readiness, IReadOnlyList<(string Name, string Value)> environment)
    {
        _folder = Directory.CreateTempSubdirectory("usersvc-container-").FullName;
        Client = new() { BaseAddress = address };
        _process = new(
            name, ServiceProcess.Command(service, $"--contentRoot={Manifest.RepositoryFile(project)}"), readiness, LogFile,
            [("ASPNETCORE_ENVIRONMENT", "Production"), ("Drain__Time", "00:00:00"), .. environment]);
    }

    public HttpClient Client { get; }

    /// <summary>The address that it serves requests at.</summary>
    public string Address => Client.BaseAddress!.GetLeftPart(UriPartial.Authority);

    /// <summary>The file that its output goes to.</summary>
    public string LogFile => Path.Combine(_folder, "log");

    /// <summary>What it has written to its standard output.</summary>
    public string[] Log => _process.Log.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public static async Task<ContainerProcess> UsersvcAsync(string database, params IEnumerable<(string Name, string Value)> environment)
    {
        var port = Ports.Free();
        var address = new Uri($"http://127.0.0.1:{port}");
        return await StartAsync(new(
            "usersvc-1", "UserSvc.Api", typeof(UserSvc.Api.Program).Assembly, address, new(address, "/health"),
            [.. await EnvironmentAsync("UserSvc.Api"), ("HTTP_PORTS", $"{port}"), ("ConnectionStrings__users", database), .. environment]));
    }

    public static Task<ContainerProcess> EdgeAsync(string upstream, params IEnumerable<(string Name, string Value)> environment) =>
        ProxyAsync("edge-1", [("ReverseProxy__Clusters__usersvc__Destinations__usersvc-1__Address", upstream), .. environment]);

    /// <summary>The same image with the variables that the chart sets on a sidecar.</summary>
    public static Task<ContainerProcess> SidecarAsync(string upstream, params IEnumerable<(string Name, string Value)> environment) =>
        ProxyAsync(
            "usersvc-1-sidecar",
            [("Edge__Mode", "Sidecar"), ("Edge__TrustedProxies__0", "10.0.0.0/8"), ("ReverseProxy__Clusters__usersvc__Destinations__local__Address", upstream), .. environment]);

    /// <summary>The variables of a container: those of the base image, then those of the service's own.</summary>
    public static async Task<IReadOnlyList<(string Name, string Value)>> EnvironmentAsync(string project) =>
    [
        // "extra" has ICU; the plain chiselled base sets this to true, above the service's runtimeconfig.json.
        ("DOTNET_RUNNING_IN_CONTAINER", "true"), ("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "false"), ("ASPNETCORE_HTTP_PORTS", "8080"),
        // Here the image's folder is the project's.
        .. (await ServiceImage.GetAsync(project)).Environment.Select(variable => (variable.Name, variable.Value.Replace("/app/", Manifest.RepositoryFile($"{project}/"), StringComparison.Ordinal))),
    ];

    /// <summary>
    /// A request whose caller records its trace. It sets traceparent itself: HttpClient would propagate the test's own trace.
    /// </summary>
    public async Task AskTracedAsync()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/user/alice") { Headers = { { "traceparent", $"00-{TraceId}-b7ad6b7169203331-01" } } };
        using var response = await Client.SendAsync(request, TestContext.Current.CancellationToken);
    }

    /// <summary>SIGTERM, to the clean end.</summary>
    public Task StopAsync() => _process.StopAsync();

    /// <summary>SIGKILL.</summary>
    public Task KillAsync() => _process.KillAsync();

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _process.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private static async Task<ContainerProcess> ProxyAsync(string name, IEnumerable<(string Name, string Value)> environment)
    {
        string[] listeners = ["Http", "Health", "Admin"];
        var addresses = listeners.ToDictionary(listener => listener, _ => new Uri($"http://127.0.0.1:{Ports.Free()}"));
        return await StartAsync(new(
            name, "UserSvc.Edge", typeof(UserSvc.Edge.Program).Assembly, addresses["Http"], new(addresses["Health"], "/ready"),
            [
                .. await EnvironmentAsync("UserSvc.Edge"),
                .. EdgeHost.Patience.Select(limit => (limit.Key.Replace(":", "__", StringComparison.Ordinal), limit.Value)),
                .. addresses.Select(listener => ($"Kestrel__Endpoints__{listener.Key}__Url", $"{listener.Value.Scheme}://{listener.Value.Authority}")),
                .. environment,
            ]));
    }

    private static async Task<ContainerProcess> StartAsync(ContainerProcess container)
    {
        try
        {
            await container._process.StartAsync();
            return container;
        }
        catch
        {
            await container.DisposeAsync();
            throw;
        }
    }
}
