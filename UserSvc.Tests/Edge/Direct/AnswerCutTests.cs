using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using CsCheck;
using Microsoft.AspNetCore.Http;
using UserSvc.Edge.Direct;
using UserSvc.Edge.Resilience;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Tests.Edge.Direct;

/// <summary>Answers that arrive in pieces, and answers that end early.</summary>
public sealed class AnswerCutTests
{
    private const string Interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";

    private static readonly (string Answer, string Body, bool Keeps)[] Answers =
    [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2 ;a=\"b;c\"\r\nhe\r\n00000000000000003;\r\nllo\r\n00;x\r\nX-Sum: \u00ff\r\nA:\r\n\r\n", "hello", true),
        ($"{Interim}HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2\r\n\r\n\r\n", "\r\n", true),
        ("HTTP/1.1 204 No Content\r\n\r\n", "", true),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "ok", false),
    ];

    [Fact]
    public async Task Answer_InTwoPieces_IsWhole()
    {
        foreach (var (answer, body, keeps) in Answers)
        {
            for (var cut = 1; cut < answer.Length; cut++)
            {
                using var pair = await Pair.OpenAsync();
                await pair.SendAsync(answer[..cut]);
                await pair.SendAsync(answer[cut..]);

                Assert.Equal((answer, cut, body, keeps, true), (answer, cut, await pair.Answer, pair.Connection.Head.KeepsAlive, pair.Connection.Received.IsEmpty));
            }
        }
    }

    [Fact]
    public async Task Answer_ThatEndsEarly_IsNeverTakenForWhole()
    {
        foreach (var (answer, _, _) in Answers)
        {
            for (var cut = 0; cut < answer.Length; cut++)
            {
                using var pair = await Pair.OpenAsync();
                await pair.SendAsync(answer[..cut]);
                pair.Close();

                Assert.Equal((answer, cut, typeof(IOException)), (answer, cut, (await Record.ExceptionAsync(() => pair.Answer))?.GetType()));
            }
        }
    }

    [Fact]
    public async Task Answer_UntilTheEndOfItsConnection_IsWhatHasCome()
    {
        using var pair = await Pair.OpenAsync();
        await pair.SendAsync("HTTP/1.0 200 OK\r\n\r\nhel");
        await pair.SendAsync("lo");
        pair.Close();

        Assert.Equal(("hello", false), (await pair.Answer, pair.Connection.Head.KeepsAlive));
    }

    [Theory]
    [InlineData("g\r\na\r\n0\r\n\r\n")]
    [InlineData("-1\r\na\r\n0\r\n\r\n")]
    [InlineData("+1\r\na\r\n0\r\n\r\n")]
    [InlineData("0x1\r\na\r\n0\r\n\r\n")]
    [InlineData(" 1\r\na\r\n0\r\n\r\n")]
    [InlineData("1 \r\na\r\n0\r\n\r\n")]
    [InlineData("1  \r\na\r\n0\r\n\r\n")]
    [InlineData("1 a\r\na\r\n0\r\n\r\n")]
    [InlineData("\r\na\r\n0\r\n\r\n")]
    [InlineData(";x\r\na\r\n0\r\n\r\n")]
    [InlineData("8000000000000001\r\na\r\n0\r\n\r\n")]
    [InlineData("10000000000000001\r\na\r\n0\r\n\r\n")]
    [InlineData("1\na\r\n0\r\n\r\n")]
    [InlineData("1\r\r\na\r\n0\r\n\r\n")]
    [InlineData("1;a\rb\r\na\r\n0\r\n\r\n")]
    [InlineData("1;a\0b\r\na\r\n0\r\n\r\n")]
    [InlineData("1\r\na\n0\r\n\r\n")]
    [InlineData("1\r\nab\r\n0\r\n\r\n")]
    [InlineData("1\r\naXX0\r\n\r\n")]
    [InlineData("1\r\na0\r\n\r\n")]
    [InlineData("0\r\nA B: c\r\n\r\n")]
    [InlineData("0\r\nA : c\r\n\r\n")]
    [InlineData("0\r\n A: c\r\n\r\n")]
    [InlineData("0\r\nA: c\0\r\n\r\n")]
    [InlineData("0\r\nA: c\n\r\n")]
    [InlineData("0\r\n\n")]
    public async Task Chunks_Malformed_AreRefused(string body)
    {
        using var pair = await Pair.OpenAsync();
        await pair.SendAsync($"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");

        await Assert.ThrowsAsync<InvalidAnswerException>(() => pair.Answer);
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nA: ", "")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X-Sum: b\r\n")]
    public async Task Line_WithoutAnEnd_IsRefused(string beginning, string line)
    {
        using var pair = await Pair.OpenAsync();
        await pair.SendAsync(beginning + string.Concat(Enumerable.Repeat(line.Length > 0 ? line : "0123456789", 10_000)));

        await Assert.ThrowsAsync<InvalidAnswerException>(() => pair.Answer);
    }

    // Pieces in any order, against a reader of another kind.
    [Fact]
    public async Task Chunks_OfAnyKind_AreReadAsByAnotherReaderOrRefused()
    {
        string[] pieces = ["1", "2\r\nab\r\n", "\r\n", "\n", "\r", "0\r\n\r\n", "0\r\n", ";x", ";y=\"a;b\"", " ", "\t", "\0", "A", "b", "A: b\r\n", "\u00ff", ":"];

        await Gen.Int[0, pieces.Length - 1].Array[1, 12].SampleAsync(async picked =>
        {
            var text = string.Concat(picked.Select(i => pieces[i]));
            using var pair = await Pair.OpenAsync();
            await pair.SendAsync($"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{text}");
            pair.Close();

            var failure = await Record.ExceptionAsync(() => pair.Answer);

            Assert.Equal((text, ReadChunks(text)), (text, failure is null ? await pair.Answer : null));
        }, iter: 500, threads: 1);
    }

    private static string? ReadChunks(string text)
    {
        var body = "";
        while (Regex.Match(text, @"\A0*([0-9A-Fa-f]{1,7})(?:[ \t]*;[\t -~\x80-\xff]*)?\r\n") is { Success: true } line)
        {
            text = text[line.Length..];
            var size = Convert.ToInt32(line.Groups[1].Value, 16);
            if (size == 0)
            {
                return Regex.IsMatch(text, @"\A([!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*\r\n)*\r\n") ? body : null;
            }

            if (text.Length < size + 2 || text.Substring(size, 2) != "\r\n")
            {
                return null;
            }

            (body, text) = (body + text[..size], text[(size + 2)..]);
        }

        return null;
    }

    /// <summary>A connection as the edge has it, which reads an answer to GET, and its other end.</summary>
    private sealed class Pair : IDisposable
    {
        private static readonly UpstreamPool Pool = new(new DestinationModel(new DestinationConfig { Address = "http://127.0.0.1:1" }));

        private readonly Socket _edge, _upstream;

        private Pair(Socket edge, Socket upstream)
        {
            (_edge, _upstream) = (edge, upstream);
            Connection = new(edge, Pool);
            Answer = ReadAsync();
        }

        public UpstreamConnection Connection { get; }

        /// <summary>What the client gets of the body.</summary>
        public Task<string> Answer { get; }

        public static async Task<Pair> OpenAsync()
        {
            using var listener = new Socket(SocketType.Stream, ProtocolType.Tcp);
            listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            listener.Listen();
            var edge = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await edge.ConnectAsync(listener.LocalEndPoint!, TestContext.Current.CancellationToken);
            return new(edge, await listener.AcceptAsync(TestContext.Current.CancellationToken));
        }

        /// <summary>Returns when the edge has read these bytes, or reads no more.</summary>
        public async Task SendAsync(string bytes)
        {
            await _upstream.SendAsync(Encoding.Latin1.GetBytes(bytes), TestContext.Current.CancellationToken);
            while (_edge.Available > 0 && !Answer.IsCompleted)
            {
                await Task.Yield();
            }
        }

        public void Close() => _upstream.Shutdown(SocketShutdown.Send);

        public void Dispose()
        {
            Connection.Dispose();
            _upstream.Dispose();
        }

        private async Task<string> ReadAsync()
        {
            using var body = new MemoryStream();
            await Connection.ReceiveHeadAsync(toHead: false);
            if (Connection.Head.Body is not AnswerBody.None)
            {
                var attempts = new Attempts(new(TimeProvider.System), ClusterSettings.Read(null), Repeatability.Safe, null, null, TimeProvider.System);
                await new AnswerCopier(Connection, new DefaultHttpContext { Response = { Body = body } }, attempts, TestContext.Current.CancellationToken).CopyAsync();
            }

            return Encoding.Latin1.GetString(body.ToArray());
        }
    }
}
