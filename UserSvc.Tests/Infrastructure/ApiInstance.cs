using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Builder;

namespace UserSvc.Tests.Infrastructure;

/// <summary>The API's Program and appsettings.json on a real Kestrel and a free port, as <c>usersvc-1</c> at 127.0.0.1.</summary>
/// <param name="time">The test's clock.</param>
/// <param name="connectionString">The database's.</param>
/// <param name="settings">Added to the defaults below, or replacing them; null removes one.</param>
internal sealed class ApiInstance(TimeProvider? time, string connectionString, params IEnumerable<(string Key, string? Value)> settings) : IAsyncDisposable
{
    public const string AdminKey = "an-administrators-key";

    private readonly WebApplication _app = UserSvc.Api.Program.Build(Arguments(connectionString, settings), time);
    private HttpClient? _client;

    public ApiInstance(string connectionString, params IEnumerable<(string Key, string? Value)> settings)
        : this(null, connectionString, settings)
    {
    }

    public IServiceProvider Services => _app.Services;

    public static string[] Arguments(string connectionString, params IEnumerable<(string Key, string? Value)> settings)
    {
        var configuration = new Dictionary<string, string?>
        {
            ["contentRoot"] = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(SourceFile())!, "../../UserSvc.Api")),
            ["environment"] = "Development",
            ["urls"] = "http://127.0.0.1:0",
            ["ConnectionStrings:users"] = connectionString,
            ["Instance:Name"] = "usersvc-1",
            ["Instance:Address"] = "127.0.0.1",
            ["Admin:Key"] = AdminKey,
            // A busy machine takes long to hash.
            ["Passwords:MaxWait"] = "00:01:00",
            ["Drain:Time"] = "00:00:00",
            ["Drain:Grace"] = "00:01:00",
            ["Logging:Console:LogLevel:Default"] = "None",
        };
        foreach (var (key, value) in settings)
        {
            configuration[key] = value;
        }

        return [.. configuration.Where(c => c.Value is not null).Select(c => $"--{c.Key}={c.Value}")];
    }

    /// <summary>Starts the instance and returns a client when it listens.</summary>
    public async Task<HttpClient> StartAsync()
    {
        await _app.StartAsync(TestContext.Current.CancellationToken);
        return _client = new() { BaseAddress = new(_app.Urls.Single()) };
    }

    /// <summary>Starts the instance and returns a client when it is ready.</summary>
    public async Task<HttpClient> ReadyAsync()
    {
        var client = await StartAsync();
        await Eventually.HoldsAsync(async () => (await client.GetAsync("/health", TestContext.Current.CancellationToken)).IsSuccessStatusCode);
        return client;
    }

    public Task StopAsync() => _app.StopAsync(TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        _client?.Dispose();
        await _app.DisposeAsync();
    }

    private static string SourceFile([CallerFilePath] string path = "") => path;
}
