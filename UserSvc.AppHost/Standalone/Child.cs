using System.Diagnostics;
using UserSvc.AppHost.Processes;

namespace UserSvc.AppHost.Standalone;

/// <summary>
/// A process that is started again when it dies; its lines go to the journal under its name. Disposal sends it SIGTERM, and past the
/// grace SIGKILL to it and all that it started.
/// </summary>
internal sealed class Child(string name, ProcessStartInfo start, TimeSpan grace, Journal journal, Leftovers leftovers) : IAsyncDisposable
{
    private static readonly TimeSpan ShortestBackoff = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LongestBackoff = TimeSpan.FromSeconds(15);

    private readonly CancellationTokenSource _stopping = new();
    private Process? _process;
    private Task _supervision = Task.CompletedTask;

    public void Start() => _supervision = SuperviseAsync(_stopping.Token);

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _supervision.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
        if (_process is null || _process.HasExited)
        {
            return;
        }

        if (!await _process.EndAsync(grace))
        {
            journal.Write(name, $"did not stop within {grace.TotalSeconds:0.#} s: killed");
        }

        leftovers.Remove(_process);
        _process.Dispose();
    }

    private async Task SuperviseAsync(CancellationToken cancellationToken)
    {
        var backoff = ShortestBackoff;
        while (true)
        {
            var age = Stopwatch.StartNew();
            var end = await RunAsync(cancellationToken);
            backoff = age.Elapsed > LongestBackoff ? ShortestBackoff : backoff;
            journal.Write(name, $"{end}; starts again in {backoff.TotalSeconds:0.##} s");
            await Task.Delay(backoff, cancellationToken);
            backoff = backoff * 2 < LongestBackoff ? backoff * 2 : LongestBackoff;
        }
    }

    private async Task<string> RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            _process = Command.Start(start);
            leftovers.Add(_process);
        }
        catch (InvalidOperationException failure)
        {
            // A build that is under way takes the program away for a moment; or it ended before it could be noted.
            return failure.Message;
        }

        _ = RelayAsync(_process.StandardOutput);
        _ = RelayAsync(_process.StandardError);
        await _process.WaitForExitAsync(cancellationToken);
        leftovers.Remove(_process);
        return $"ended with exit code {_process.ExitCode}";
    }

    private async Task RelayAsync(StreamReader lines)
    {
        while (await lines.ReadLineAsync() is { } line)
        {
            journal.Write(name, line);
        }
    }
}
