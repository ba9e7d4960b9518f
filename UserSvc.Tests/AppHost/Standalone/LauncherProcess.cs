using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using UserSvc.AppHost;
using UserSvc.AppHost.Postgres;
using UserSvc.AppHost.Processes;

namespace UserSvc.Tests.AppHost.Standalone;

/// <summary>The AppHost as a process of its own, on a state folder and ports of its own.</summary>
internal sealed class LauncherProcess : IAsyncDisposable
{
    private readonly StringBuilder _output = new();
    private readonly string _stateFolder;
    private readonly Process _process;

    private LauncherProcess(string stateFolder, IEnumerable<string> options)
    {
        _stateFolder = stateFolder;
        string[] arguments = [typeof(LaunchException).Assembly.Location, "--StateFolder", stateFolder, "--Dashboard", "false", .. options];
        _process = Process.Start(new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        _process.OutputDataReceived += (_, line) => Keep(line.Data);
        _process.ErrorDataReceived += (_, line) => Keep(line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public HttpClient Edge { get; private init; } = null!;

    public int Id => _process.Id;

    /// <summary>Starts the launcher and returns when the whole system is ready.</summary>
    public static async Task<LauncherProcess> ReadyAsync(string stateFolder, params IEnumerable<string> options)
    {
        var port = Ports.Free();
        var launcher = new LauncherProcess(stateFolder, [.. options, "--Port", $"{port}", "--HealthPort", $"{Ports.Free()}", "--AdminPort", $"{Ports.Free()}"])
        {
            Edge = new() { BaseAddress = new($"http://localhost:{port}") },
        };
        try
        {
            await Eventually.HoldsAsync(
                () => Task.FromResult(launcher._process.HasExited || launcher.Output.Contains("UserSvc is ready", StringComparison.Ordinal)), TimeSpan.FromMinutes(2));
            Assert.False(launcher._process.HasExited, launcher.Output);
            return launcher;
        }
        catch
        {
            await launcher.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs a launcher that is expected to refuse.</summary>
    public static async Task<(int ExitCode, string Output)> RefusedAsync(string stateFolder, params IEnumerable<string> options)
    {
        await using var launcher = new LauncherProcess(stateFolder, options);
        await launcher._process.WaitForExitAsync(Cancellation);
        return (launcher._process.ExitCode, launcher.Output.Trim());
    }

    /// <summary>The processes that run for this launcher, those of PostgreSQL from local binaries included.</summary>
    public List<Process> Children()
    {
        var ids = Directory.GetFiles(Path.Combine(_stateFolder, "children")).Select(Path.GetFileName).ToList();
        var postmaster = Path.Combine(_stateFolder, "postgres", "data", "postmaster.pid");
        if (File.Exists(postmaster))
        {
            ids.Add(File.ReadLines(postmaster).First());
        }

        return [.. ids.Select(id => Process.GetProcessById(int.Parse(id!, CultureInfo.InvariantCulture)))];
    }

    public void Send(int signal) => Signals.Send(_process.Id, signal);

    public async Task<int> ExitCodeAsync()
    {
        await _process.WaitForExitAsync(Cancellation);
        return _process.ExitCode;
    }

    public async Task<HttpStatusCode> PutAliceAsync()
    {
        using var answer = await Edge.PutAsJsonAsync("/user/alice", new { fullname = "Alice", password = "correct horse" }, Cancellation);
        return answer.StatusCode;
    }

    public async Task<HttpStatusCode> GetAliceAsync()
    {
        using var answer = await Edge.GetAsync("/user/alice", Cancellation);
        return answer.StatusCode;
    }

    /// <summary>The instances that answered a number of requests in a row, each once, in order.</summary>
    public async Task<string> AnsweringAsync(int requests)
    {
        var names = new SortedSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < requests; i++)
        {
            using var answer = await Edge.GetAsync("/user/health", Cancellation);
            var body = await answer.Content.ReadFromJsonAsync<JsonObject>(Cancellation);
            names.Add($"{body!["hostname"]}");
        }

        return string.Join(' ', names);
    }

    public async ValueTask DisposeAsync()
    {
        Edge?.Dispose();
        if (!_process.HasExited)
        {
            await _process.EndAsync(TimeSpan.FromSeconds(15));
        }

        _process.Dispose();
    }

    /// <summary>Deletes the folder, and the container's volume where that holds the data.</summary>
    public static async Task DeleteAsync(string stateFolder)
    {
        var postgres = Path.Combine(stateFolder, "postgres");
        if (File.Exists(Path.Combine(postgres, "kind")))
        {
            await (await PostgresChoice.EngineAsync(new() { Folder = postgres }, CancellationToken.None)).DeleteDataAsync(CancellationToken.None);
        }

        Directory.Delete(stateFolder, recursive: true);
    }

    private string Output
    {
        get
        {
            lock (_output)
            {
                return _output.ToString();
            }
        }
    }

    private void Keep(string? line)
    {
        lock (_output)
        {
            _output.AppendLine(line);
        }
    }
}
