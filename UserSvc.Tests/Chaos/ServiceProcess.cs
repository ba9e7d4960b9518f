using System.Diagnostics;
using System.Reflection;
using UserSvc.AppHost.Processes;

namespace UserSvc.Tests.Chaos;

/// <summary>A process that keeps its name and ports over restarts. Its output goes to a file.</summary>
internal sealed class ServiceProcess(
    string name, IReadOnlyList<string> command, Uri readiness, string log, params IReadOnlyList<(string Name, string Value)> environment) : IAsyncDisposable
{
    private static readonly TimeSpan ProbeLimit = TimeSpan.FromSeconds(2) * ProductTime.Factor;

    private readonly HttpClient _client = new() { Timeout = ProbeLimit };
    private Process? _process;
    private Task _logging = Task.CompletedTask;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public string Name => name;

    public int Id => _process!.Id;

    public bool IsRunning => _process is { HasExited: false };

    public static IReadOnlyList<string> Command(Assembly service, params IEnumerable<string> arguments) => ["dotnet", service.Location, .. arguments];

    /// <summary>Everything it has printed since its first start.</summary>
    public string Log
    {
        get
        {
            using var reader = new StreamReader(new FileStream(log, FileMode.OpenOrCreate, FileAccess.Read, FileShare.ReadWrite));
            return reader.ReadToEnd();
        }
    }

    public string LastLines(int count = 30) => string.Join('\n', Log.TrimEnd().Split('\n').TakeLast(count).Prepend($"{name}'s last lines:"));

    /// <summary>Starts the process and returns when it is ready.</summary>
    public async Task StartAsync()
    {
        _process?.Dispose();
        var start = new ProcessStartInfo(command[0], command.Skip(1)) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (variable, value) in environment)
        {
            start.Environment[variable] = value;
        }

        _process = Process.Start(start)!;
        _logging = LogAsync(_process);
        await Eventually.HoldsAsync(async () =>
        {
            Assert.False(_process.HasExited, $"{name} has ended. {LastLines()}");
            return await IsReadyAsync();
        });
    }

    public async Task<bool> IsReadyAsync()
    {
        try
        {
            using var response = await _client.GetAsync(readiness, Cancellation);
            return response.IsSuccessStatusCode;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            Cancellation.ThrowIfCancellationRequested();
            return false;
        }
    }

    /// <summary>Sends SIGTERM and waits for a clean exit.</summary>
    public async Task StopAsync()
    {
        Signals.Send(_process!.Id, Signals.Terminate);
        await _process.WaitForExitAsync(Cancellation);
        await _logging;
        Assert.Equal(0, _process.ExitCode);
    }

    /// <summary>Sends SIGKILL and waits for the exit.</summary>
    public async Task KillAsync()
    {
        Signals.Send(_process!.Id, Signals.Kill);
        await _process.WaitForExitAsync(Cancellation);
        await _logging;
    }

    /// <summary>Sends SIGSTOP: connections stay open and the system accepts new ones, but nothing is answered.</summary>
    public void Freeze() => Send(Signals.Stop);

    public void Thaw() => Send(Signals.Continue);

    public void Send(int signal) => Signals.Send(_process!.Id, signal);

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        if (_process is not null)
        {
            _process.Kill();
            await _process.WaitForExitAsync();
            await _logging;
            _process.Dispose();
        }
    }

    private async Task LogAsync(Process process)
    {
        await using var file = new FileStream(log, FileMode.Append, FileAccess.Write, FileShare.Read);
        await Task.WhenAll(CopyAsync(process.StandardOutput.BaseStream), CopyAsync(process.StandardError.BaseStream));

        async Task CopyAsync(Stream output)
        {
            var buffer = new byte[16 * 1024];
            while (await output.ReadAsync(buffer) is > 0 and var count)
            {
                lock (file)
                {
                    file.Write(buffer, 0, count);
                    file.Flush();
                }
            }
        }
    }
}
