using System.Globalization;
using UserSvc.Edge.Statistics;

namespace UserSvc.Edge.Listeners;

/// <summary>
/// The client connections of all listeners. Those of the public ones may take three quarters of the files that this process may open; the rest
/// is for upstreams, <c>Health</c> and <c>Admin</c>. Without any left, Kestrel would try to accept again and again.
/// </summary>
internal sealed class ClientSockets(long files)
{
    private const string Limits = "/proc/self/limits";

    private readonly Counter _open = new();
    private readonly long _max = files / 4 * 3;

    public bool AreCrowded => _open.Value >= 0.9 * _max;

    public bool AreUsedUp => _open.Value >= _max;

    public void Open() => _open.Increment();

    public void Close() => _open.Decrement();

    // Max open files            1024                 524288               files
    public static long ReadFiles() => File.Exists(Limits)
        && File.ReadLines(Limits).FirstOrDefault(line => line.StartsWith("Max open files", StringComparison.Ordinal)) is { } line
        && long.TryParse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[3], CultureInfo.InvariantCulture, out var max) ? max : long.MaxValue;
}
