using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace UserSvc.Tests.Edge.Discovery;

/// <summary>A name server on loopback that answers A and AAAA over UDP and TCP and, on request, fails or stays silent.</summary>
internal sealed class DnsServer : IAsyncDisposable
{
    public const int FormatError = 1;
    public const int ServerFailure = 2;
    public const int NotImplemented = 4;
    public const int Refused = 5;
    public const int Silence = -1;

    private const int NoSuchName = 3;
    private const int Truncation = 0x200;

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly UdpClient _socket;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _serving;

    public DnsServer()
    {
        _listener.Start();
        _socket = new((IPEndPoint)_listener.LocalEndpoint);
        _serving = Task.WhenAll(ServeAsync(), ServeTcpAsync());
    }

    public string EndPoint => _socket.Client.LocalEndPoint!.ToString()!;

    /// <summary>Addresses by full name, without the trailing dot. Other names do not exist.</summary>
    public ConcurrentDictionary<string, string[]> Names { get; } = new();

    public uint Ttl { get; set; } = 5;

    /// <summary>The code of the answer to a name and a type, <c>A</c> or <c>AAAA</c>; <see cref="Silence"/> for no answer; null for the right one.</summary>
    public Func<string, string, int?> Failure { get; set; } = (_, _) => null;

    /// <summary>Over UDP, only says that the answer does not fit.</summary>
    public bool Truncates { get; set; }

    /// <summary>Takes a query with EDNS for a malformed one.</summary>
    public bool IsOld { get; set; }

    /// <summary>The names looked up, for A or AAAA.</summary>
    public ConcurrentQueue<string> Asked { get; } = [];

    /// <summary>The number of queries over TCP.</summary>
    public int AskedOverTcp { get; private set; }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _socket.Dispose();
        _listener.Dispose();
        _stopping.Dispose();
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            var query = await _socket.ReceiveAsync(_stopping.Token);
            if (Answer(query.Buffer, Truncates) is { } answer)
            {
                await _socket.SendAsync(answer, query.RemoteEndPoint, _stopping.Token);
            }
        }
    }

    private async Task ServeTcpAsync()
    {
        while (true)
        {
            using var client = await _listener.AcceptTcpClientAsync(_stopping.Token);
            var stream = client.GetStream();
            var length = new byte[2];
            await stream.ReadExactlyAsync(length, _stopping.Token);
            var query = new byte[BinaryPrimitives.ReadUInt16BigEndian(length)];
            await stream.ReadExactlyAsync(query, _stopping.Token);
            AskedOverTcp++;
            var answer = Answer(query, truncated: false)!;
            BinaryPrimitives.WriteUInt16BigEndian(length, (ushort)answer.Length);
            await stream.WriteAsync((byte[])[.. length, .. answer], _stopping.Token);
        }
    }

    // RFC 1035: 12 bytes of header (id, flags, four counts), the question (name, type, class), then answers.
    private byte[]? Answer(byte[] query, bool truncated)
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
        var known = Names.TryGetValue(name, out var found);
        var code = BinaryPrimitives.ReadUInt16BigEndian(query.AsSpan(10)) > 0 && IsOld ? FormatError
            : Failure(name, type == 1 ? "A" : "AAAA") ?? (known ? 0 : NoSuchName);
        if (code == Silence)
        {
            return null;
        }

        var addresses = code != 0 || truncated ? [] : (found ?? []).Select(IPAddress.Parse).Where(a => type == (a.AddressFamily == AddressFamily.InterNetwork ? 1 : 28)).ToList();
        var answer = new MemoryStream();
        answer.Write(query.AsSpan(0, 2));
        Write(answer, (ushort)(0x8180 | code | (truncated ? Truncation : 0)));
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
