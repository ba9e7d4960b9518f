using System.Net;
using System.Net.Sockets;

namespace UserSvc.AppHost.Processes;

internal static class Ports
{
    /// <summary>
    /// A free port on loopback, below the range that systems use for outgoing connections: such a connection could take the port
    /// while its server restarts.
    /// </summary>
    public static int Free()
    {
        for (var attempt = 0; attempt < 100; attempt++)
        {
            var port = Random.Shared.Next(20_000, 32_000);
            if (IsFree(IPAddress.Loopback, port))
            {
                return port;
            }
        }

        throw new InvalidOperationException("No free port between 20000 and 32000 on 127.0.0.1.");
    }

    public static bool IsFree(IPAddress address, int port)
    {
        using var listener = new TcpListener(address, port);
        try
        {
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
