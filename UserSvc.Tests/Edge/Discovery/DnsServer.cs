using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace UserSvc.Tests.Edge.Discovery;

/// <summary>A name server on loopback that answers A and AAAA over UDP and, on request, fails or stays silent.</summary>
internal sealed class DnsServer : IAsyncDisposable
{
    private const int ServerFailure = 2;
    private const int NoSuchName = 3;

    private readonly UdpClient _socket = new(new IPEndPoint(IPAddress.Loopback, 0));
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _serving;

    public DnsServer() => _serving = ServeAsync();

    public string EndPoint => _socket.Client.LocalEndPoint!.ToString()!;

    /// <summary>Addresses by full name, without the trailing dot. Other names do not exist.</summary>
    public ConcurrentDictionary<string, string[]> Names { get; } = new();

    public uint Ttl { get; set; } = 5;

    public bool Failing { get; set; }

    public bool Silent { get; set; }

    /// <summary>The names looked up, for A or AAAA.</summary>
    public ConcurrentQueue<string> Asked { get; } = [];

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _socket.Dispose();
        _stopping.Dispose();
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            var query = await _socket.ReceiveAsync(_stopping.Token);
            if (Answer(query.Buffer) is { } answer)
            {
                await _socket.SendAsync(answer, query.RemoteEndPoint, _stopping.Token);
            }
        }
    }

    // RFC 1035: 12 bytes of header (id, flags, four counts), the question (name, type, class), then answers.
    private byte[]? Answer(byte[] query)
    {
        var labels = new List<string>();
        var at = 12;
        for (; query[at] != 0; at += query[at] + 1)
        {
            labels.Add(Encoding.ASCII.GetString(query, at + 1, query[at]));
        }

        var name = string.Join('.', labels);
        var type = BinaryPrimitives.ReadUInt16BigEndian(query.AsSpan(at + 1));
        Asked.Enqueue(name);
        if (Silent)
        {
            return null;
        }

        var known = Names.TryGetValue(name, out var found);
        var addresses = Failing ? [] : (found ?? []).Select(IPAddress.Parse).Where(a => type == (a.AddressFamily == AddressFamily.InterNetwork ? 1 : 28)).ToList();
        var answer = new MemoryStream();
        answer.Write(query.AsSpan(0, 2));
        Write(answer, (ushort)(0x8180 | (Failing ? ServerFailure : known ? 0 : NoSuchName)));
        foreach (var count in (int[])[1, addresses.Count, 0, 0])
        {
            Write(answer, (ushort)count);
        }

        answer.Write(query.AsSpan(12, at + 5 - 12));
        foreach (var address in addresses)
        {
            var bytes = address.GetAddressBytes();
            // A pointer to the question's name.
            Write(answer, 0xC00C);
            Write(answer, type);
            Write(answer, 1);
            Write(answer, (ushort)(Ttl >> 16));
            Write(answer, (ushort)Ttl);
            Write(answer, (ushort)bytes.Length);
            answer.Write(bytes);
        }

        return answer.ToArray();
    }

    private static void Write(MemoryStream stream, ushort value)
    {
        Span<byte> bytes = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(bytes, value);
        stream.Write(bytes);
    }
}
