using System.Net;
using System.Net.Sockets;

namespace UserSvc.AppHost.Processes;

internal static class Ports
{
    /// <summary>
    /// A free port on loopback, from below the range that systems take for outgoing connections: a server that is started again on
    /// its port would now and then find it taken by such a connection.
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
