using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using UserSvc.AppHost;
using UserSvc.AppHost.Processes;

namespace UserSvc.Tests.AppHost;

/// <summary>The AppHost as a separate process, to test signals, exit codes and what it leaves behind.</summary>
internal sealed class AppHostProcess : IAsyncDisposable
{
    private readonly StringBuilder _output = new();
    private readonly string _stateFolder;
    private readonly Process _process;

    private AppHostProcess(string stateFolder, IEnumerable<string> options)
    {
        _stateFolder = stateFolder;
        var start = new ProcessStartInfo("dotnet", [typeof(LaunchException).Assembly.Location, .. options]) { RedirectStandardOutput = true, RedirectStandardError = true };
        // Everything it starts inherits this variable, which is how Services finds it.
        start.Environment["StateFolder"] = stateFolder;
        start.Environment["Dashboard"] = "false";
        start.Environment["Postgres"] = "Local";
        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, line) => Keep(line.Data);
        _process.ErrorDataReceived += (_, line) => Keep(line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private HttpClient Edge { get; init; } = null!;

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

    /// <summary>Starts a system with one instance and returns when it is ready. The ports are the edge's: http, health, admin.</summary>
    public static async Task<AppHostProcess> ReadyAsync(string stateFolder, int[] ports, params IEnumerable<string> options)
    {
        var appHost = new AppHostProcess(stateFolder, ["--Replicas", "1", "--Port", $"{ports[0]}", "--HealthPort", $"{ports[1]}", "--AdminPort", $"{ports[2]}", .. options])
        {
            Edge = new() { BaseAddress = new($"http://localhost:{ports[0]}") },
        };
        try
        {
            await Eventually.HoldsAsync(
                () => Task.FromResult(appHost._process.HasExited || appHost.Output.Contains("UserSvc is ready", StringComparison.Ordinal)));
            Assert.False(appHost._process.HasExited, appHost.Output);
            return appHost;
        }
        catch
        {
            await appHost.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs the AppHost until it exits, which is immediately if it refuses to start.</summary>
    public static async Task<(int ExitCode, string Output)> RunAsync(string stateFolder, params IEnumerable<string> options)
    {
        await using var appHost = new AppHostProcess(stateFolder, options);
        await appHost._process.WaitForExitAsync(Cancellation).WaitAsync(Eventually.Deadline, Cancellation);
        return (appHost._process.ExitCode, appHost.Output.Trim());
    }

    /// <summary>The services and the PostgreSQL server that the AppHost started.</summary>
    public List<Process> Services()
    {
        var mark = $"StateFolder={_stateFolder}\0";
        return
        [
            .. Process.GetProcesses().Where(process =>
                (process.ProcessName.StartsWith("UserSvc.", StringComparison.Ordinal) || process.ProcessName == "postgres") && process.Id != _process.Id
                && LinuxProcess.Environment(process.Id).Contains(mark, StringComparison.Ordinal)),
        ];
    }

    public async Task<int> EndAsync(int signal)
    {
        Signals.Send(_process.Id, signal);
        await _process.WaitForExitAsync(Cancellation).WaitAsync(Eventually.Deadline, Cancellation);
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

    public async ValueTask DisposeAsync()
    {
        Edge?.Dispose();
        if (!_process.HasExited)
        {
            await _process.EndAsync(Eventually.Deadline);
        }

        _process.Dispose();
        TestContext.Current.TestOutputHelper?.WriteLine(Output);
    }

    private void Keep(string? line)
    {
        lock (_output)
        {
            _output.AppendLine(line);
        }
    }
}
