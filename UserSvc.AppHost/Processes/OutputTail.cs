using System.Diagnostics;

namespace UserSvc.AppHost.Processes;

/// <summary>Passes a process's lines on, and keeps the last ten: what it said before it died.</summary>
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

    /// <summary>Ends when both outputs are closed, which children of the process may delay.</summary>
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
