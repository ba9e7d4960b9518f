using System.Globalization;
using System.Net;

namespace UserSvc.Tests.Infrastructure;

/// <summary>What Linux tells of a process or a socket and .NET does not.</summary>
internal static class LinuxProcess
{
    /// <summary>R, S, D, T (stopped) or Z (ended, not yet reaped by its parent); null when there is no such process.</summary>
    public static char? State(int id) => Read(id, "stat") is { Length: > 0 } stat ? stat[stat.LastIndexOf(')') + 2] : null;

    /// <summary>NAME=value, each with a NUL behind it; empty when the process has ended or is another user's.</summary>
    public static string Environment(int id) => Read(id, "environ") ?? "";

    /// <summary>The connections to this listening port of 127.0.0.1 that wait to be accepted.</summary>
    public static int NotAccepted(int port)
    {
        // Number, local address, remote one, state (0A is LISTEN), tx_queue:rx_queue, …; addresses and numbers are hexadecimal.
        var address = $"{BitConverter.ToUInt32(IPAddress.Loopback.GetAddressBytes()):X8}:{port:X4}";
        return File.ReadLines("/proc/net/tcp")
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(socket => socket[1] == address && socket[3] == "0A")
            .Sum(socket => int.Parse(socket[4].Split(':')[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture));
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
