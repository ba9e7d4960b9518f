using System.Collections.Concurrent;
using System.Diagnostics;
using System.Threading.Channels;
using UserSvc.AppHost.Processes;

namespace UserSvc.Tests.Edge;

/// <summary>Runs the edge as a separate process, for what only a process has: signals, an exit code, telemetry that no other test sees.</summary>
internal sealed class EdgeProcess : IAsyncDisposable
{
    private readonly Process _process;

    private EdgeProcess(Process process) => _process = process;

    public HttpClient Public { get; } = new();

    public HttpClient Health { get; } = new();

    public HttpClient Admin { get; } = new();

    /// <summary>What it has written to its standard output so far.</summary>
    public ConcurrentQueue<string> Output { get; } = [];

    public static Task<EdgeProcess> ReadyAsync(Upstream upstream, params (string Key, string Value)[] settings) => ReadyAsync(upstream, [], settings);

    public static async Task<EdgeProcess> ReadyAsync(Upstream upstream, IEnumerable<(string Name, string Value)> environment, IEnumerable<(string Key, string Value)> settings)
    {
        const string Listening = "Now listening on: ";
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true };
        // Its log is read as text, even where the tests themselves run in a container.
        start.Environment["DOTNET_RUNNING_IN_CONTAINER"] = "false";
        // As with one CPU: whoever blocks the thread that polls the sockets blocks all of them.
        start.Environment["DOTNET_SYSTEM_NET_SOCKETS_THREAD_COUNT"] = "1";
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        start.ArgumentList.Add(typeof(UserSvc.Edge.Program).Assembly.Location);
        foreach (var argument in EdgeHost.Arguments(settings, (upstream.Name, upstream.Address)))
        {
            start.ArgumentList.Add(argument);
        }

        var listening = Channel.CreateUnbounded<Uri>();
        var edge = new EdgeProcess(Process.Start(start)!);
        // All of it is read: a full pipe would block the edge.
        edge._process.OutputDataReceived += (_, line) =>
        {
            edge.Output.Enqueue(line.Data ?? "");
            if (line.Data?.IndexOf(Listening, StringComparison.Ordinal) is >= 0 and var at)
            {
                listening.Writer.TryWrite(new(line.Data[(at + Listening.Length)..]));
            }
        };
        edge._process.Exited += (_, _) => listening.Writer.TryComplete(new InvalidOperationException("The edge has ended."));
        edge._process.EnableRaisingEvents = true;
        edge._process.BeginOutputReadLine();
        try
        {
            edge.Admin.BaseAddress = await listening.Reader.ReadAsync(TestContext.Current.CancellationToken);
            edge.Health.BaseAddress = await listening.Reader.ReadAsync(TestContext.Current.CancellationToken);
            edge.Public.BaseAddress = await listening.Reader.ReadAsync(TestContext.Current.CancellationToken);
            await Eventually.HoldsAsync(async () => (await edge.Health.GetAsync("/ready", TestContext.Current.CancellationToken)).IsSuccessStatusCode);
            return edge;
        }
        catch
        {
            await edge.DisposeAsync();
            throw;
        }
    }

    /// <summary>From now on nobody reads what it writes.</summary>
    public void StopReading() => _process.CancelOutputRead();

    public void Terminate() => Signal(Signals.Terminate);

    public void Signal(int signal) => Signals.Send(_process.Id, signal);

    public async Task<int> ExitCodeAsync()
    {
        await _process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        Public.Dispose();
        Health.Dispose();
        Admin.Dispose();
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }
}
