using System.Globalization;
using System.Net;

namespace UserSvc.Tests.Infrastructure;

/// <summary>Facts about processes and sockets that Linux tells and .NET does not.</summary>
internal static class LinuxProcess
{
    /// <summary>R, S, D, T (stopped) or Z (exited, not yet reaped by its parent); null if the process does not exist.</summary>
    public static char? State(int id) => Read(id, "stat") is { Length: > 0 } stat ? stat[stat.LastIndexOf(')') + 2] : null;

    /// <summary>NAME=value pairs, each followed by a NUL; empty if the process has exited or belongs to another user.</summary>
    public static string Environment(int id) => Read(id, "environ") ?? "";

    /// <summary>The number of connections that wait to be accepted at this port of 127.0.0.1.</summary>
    public static int NotAccepted(int port) => Sockets(port)
        .Where(socket => socket.State == "0A")
        .Sum(socket => int.Parse(socket.Queues.Split(':')[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture));

    /// <summary>The number of connections to these ports of 127.0.0.1 that the server has not closed.</summary>
    public static int Connections(params IEnumerable<int> ports) => ports.Sum(port => Sockets(port).Count(socket => socket.State is "01" or "08"));

    // Number, local address, remote address, state (0A is LISTEN, 01 ESTABLISHED, 08 CLOSE_WAIT), tx_queue:rx_queue, …; addresses and numbers are
    // hexadecimal.
    private static IEnumerable<(string State, string Queues)> Sockets(int port)
    {
        var address = $"{BitConverter.ToUInt32(IPAddress.Loopback.GetAddressBytes()):X8}:{port:X4}";
        return File.ReadLines("/proc/net/tcp")
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(socket => socket[1] == address)
            .Select(socket => (socket[3], socket[4]));
    }

    private static string? Read(int id, string file)
    {
        try
        {
            return File.ReadAllText($"/proc/{id}/{file}");
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
