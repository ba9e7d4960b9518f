using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace UserSvc.Tests.Edge.Direct;

/// <summary>
/// Answers <c>/user/{n}/{kind}</c>: n determines the body, and the kind how it is sent. After every fifth answer, closes the connection without
/// having announced it.
/// </summary>
internal sealed class MixedUpstream : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _accepting;

    public MixedUpstream()
    {
        _listener.Start(1000);
        _accepting = AcceptAsync();
    }

    public string Address => $"http://{_listener.LocalEndpoint}";

    /// <summary>The n-th body, up to 15 kB.</summary>
    public static string Body(int n) => string.Concat(Enumerable.Repeat($"{n}-", (n * 7919 % 3000) + 1));

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _listener.Stop();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            _ = ServeAsync(await _listener.AcceptTcpClientAsync(_stopping.Token)).ContinueWith(static served => served.Exception, TaskScheduler.Default);
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            var stream = client.GetStream();
            while (await ReadAsync(stream) is var (n, kind, sent) && n >= 0)
            {
                var body = sent.Length > 0 ? sent : Body(n);
                switch (kind)
                {
                    case "length":
                        await WriteAsync(stream, $"HTTP/1.1 200 OK\r\nContent-Length: {body.Length}\r\nX-Number: {n}\r\n\r\n{body}");
                        break;
                    case "chunked":
                        await WriteAsync(stream, $"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Number: {n}\r\n\r\n1\r\n{body[0]}\r\n");
                        await WriteAsync(stream, $"{(body.Length - 1).ToString("x", CultureInfo.InvariantCulture)}\r\n{body[1..]}\r\n0\r\n\r\n");
                        break;
                    case "interim":
                        await WriteAsync(stream, $"HTTP/1.1 103 Early Hints\r\nX-Number: -1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: {body.Length}\r\nX-Number: {n}\r\n\r\n{body}");
                        break;
                    case "close":
                        await WriteAsync(stream, $"HTTP/1.1 200 OK\r\nX-Number: {n}\r\n\r\n{body}");
                        return;
                    case "cut":
                        await WriteAsync(stream, $"HTTP/1.1 200 OK\r\nContent-Length: {body.Length + 1}\r\nX-Number: {n}\r\n\r\n{body}");
                        return;
                    case "more":
                        await WriteAsync(stream, $"HTTP/1.1 200 OK\r\nContent-Length: {body.Length}\r\nX-Number: {n}\r\n\r\n{body}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
                        break;
                    default:
                        return;
                }

                if (n % 5 == 0)
                {
                    // The edge's next request may already be on its way, and is not answered. Not a reset, which would be a failure.
                    client.Client.Shutdown(SocketShutdown.Send);
                    await stream.CopyToAsync(Stream.Null, _stopping.Token);
                    return;
                }
            }
        }
    }

    private Task WriteAsync(NetworkStream stream, string text) => stream.WriteAsync(Encoding.Latin1.GetBytes(text), _stopping.Token).AsTask();

    private async Task<(int Number, string Kind, string Body)> ReadAsync(NetworkStream stream)
    {
        var (buffer, count, end) = (new byte[64 * 1024], 0, -1);
        while ((end = buffer.AsSpan(0, count).IndexOf("\r\n\r\n"u8)) < 0)
        {
            if (await stream.ReadAsync(buffer.AsMemory(count), _stopping.Token) is not (> 0 and var read))
            {
                return (-1, "", "");
            }

            count += read;
        }

        var lines = Encoding.Latin1.GetString(buffer, 0, end).Split("\r\n");
        var length = int.Parse(lines.SingleOrDefault(l => l.StartsWith("Content-Length: ", StringComparison.Ordinal))?.Split(' ')[1] ?? "0", CultureInfo.InvariantCulture);
        await stream.ReadExactlyAsync(buffer.AsMemory(count, Math.Max(0, end + 4 + length - count)), _stopping.Token);
        var path = lines[0].Split(' ')[1].Split('/');
        return (int.Parse(path[2], CultureInfo.InvariantCulture), path[3], Encoding.Latin1.GetString(buffer, end + 4, length));
    }
}
