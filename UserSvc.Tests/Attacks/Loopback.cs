using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace UserSvc.Tests.Attacks;

/// <summary>Connections from other addresses than 127.0.0.1, which only Linux has.</summary>
internal static class Loopback
{
    private const int Tcp = 6;
    private const int MaxSegment = 2;

    /// <summary>From 127.0.<paramref name="network"/>.<paramref name="host"/>.</summary>
    public static async Task<Stream> ConnectAsync(int network, int host, int port, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            // Ethernet's: with loopback's segments of 64 KiB, the kernel would buffer megabytes of unread answers for each connection.
            socket.SetRawSocketOption(Tcp, MaxSegment, BitConverter.GetBytes(1460));
            socket.Bind(new IPEndPoint(OperatingSystem.IsLinux() ? new IPAddress([127, 0, (byte)network, (byte)host]) : IPAddress.Loopback, 0));
            await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port), cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Trusts any certificate for localhost.</summary>
    public static SslClientAuthenticationOptions Tls(SslApplicationProtocol protocol) => new()
    {
        TargetHost = "localhost",
        ApplicationProtocols = [protocol],
        CertificateChainPolicy = new() { RevocationMode = X509RevocationMode.NoCheck, VerificationFlags = X509VerificationFlags.AllowUnknownCertificateAuthority },
    };
}
