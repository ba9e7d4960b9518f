using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using UserSvc.AppHost.Processes;

namespace UserSvc.Tests.AppHost;

/// <summary>The whole system, started by the AppHost in this process with free ports and a temporary state folder.</summary>
public class RunningAppHost : IAsyncLifetime
{
    private readonly string[] _options;
    private readonly LogLines _log = new();

    public RunningAppHost()
        : this([])
    {
    }

    protected RunningAppHost(string[] options) => _options = options;

    internal static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    internal string StateFolder { get; } = Infrastructure.StateFolder.Create();

    internal DistributedApplication App { get; private set; } = null!;

    internal HttpClient Edge { get; private set; } = null!;

    /// <summary>What the AppHost and its resources had logged when the edge was healthy for the first time.</summary>
    internal IReadOnlyList<string> StartLog { get; private set; } = [];

    public async ValueTask InitializeAsync()
    {
        var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.UserSvc_AppHost>(
            ["--StateFolder", StateFolder, "--Postgres", "Local", "--Port", $"{Ports.Free()}", "--HealthPort", $"{Ports.Free()}", "--AdminPort", $"{Ports.Free()}", .. _options], Cancellation);
        builder.Services.AddLogging(logging => logging.ClearProviders().AddProvider(_log));
        App = await builder.BuildAsync(Cancellation);
        try
        {
            await App.StartAsync(Cancellation).WaitAsync(Eventually.Deadline, Cancellation);
            await HealthyAsync("edge");
            Edge = App.CreateHttpClient("edge", "http");
            StartLog = [.. _log.Lines];
        }
        catch
        {
            await DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        Edge?.Dispose();
        await App.DisposeAsync();
        Directory.Delete(StateFolder, recursive: true);
    }

    internal Task HealthyAsync(string resource) =>
        App.ResourceNotifications.WaitForResourceHealthyAsync(resource, WaitBehavior.WaitOnResourceUnavailable, Cancellation).WaitAsync(Eventually.Deadline, Cancellation);

    internal Task InStateAsync(string resource, string state) => App.ResourceNotifications.WaitForResourceAsync(resource, state, Cancellation).WaitAsync(Eventually.Deadline, Cancellation);

    internal CustomResourceSnapshot Snapshot(string resource) =>
        App.ResourceNotifications.TryGetCurrentState(resource, out var current) ? current.Snapshot : throw new InvalidOperationException($"{resource} is unknown.");

    /// <summary>Adds what the AppHost and its resources have logged since the last call to the test's output.</summary>
    internal void WriteLog()
    {
        while (_log.Lines.TryDequeue(out var line))
        {
            TestContext.Current.TestOutputHelper!.WriteLine(line);
        }
    }

    /// <summary>Runs a command like a click in the dashboard.</summary>
    internal async Task ExecuteAsync(string resource, string command)
    {
        var result = await App.ResourceCommands.ExecuteCommandAsync(resource, command, Cancellation);
        Assert.True(result.Success, result.Message);
    }

    /// <summary>The instances that answer the next requests, sorted and without duplicates.</summary>
    internal async Task<string> AnsweringAsync(int requests)
    {
        var names = new SortedSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < requests; i++)
        {
            var body = await Edge.GetFromJsonAsync<JsonObject>("/user/health", Cancellation);
            names.Add($"{body!["hostname"]}");
        }

        return string.Join(' ', names);
    }
}
