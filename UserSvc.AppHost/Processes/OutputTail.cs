using System.Diagnostics;

namespace UserSvc.AppHost.Processes;

/// <summary>Passes a process's output on and keeps the last ten lines, to report why it died.</summary>
internal sealed class OutputTail(Action<string> log)
{
    private const int Kept = 10;

    private readonly Queue<string> _lines = [];

    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (_lines)
            {
                return [.. _lines];
            }
        }
    }

    /// <summary>Completes when both streams are closed, which children of the process may delay.</summary>
    public Task ReadAsync(Process process) => Task.WhenAll(ReadAsync(process.StandardOutput), ReadAsync(process.StandardError));

    private async Task ReadAsync(StreamReader output)
    {
        while (await output.ReadLineAsync() is { } line)
        {
            log(line);
            lock (_lines)
            {
                _lines.Enqueue(line);
                if (_lines.Count > Kept)
                {
                    _lines.Dequeue();
                }
            }
        }
    }
}
