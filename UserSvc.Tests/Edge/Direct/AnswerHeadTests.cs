using System.Text;
using CsCheck;
using UserSvc.Edge.Direct;

namespace UserSvc.Tests.Edge.Direct;

/// <summary>What an upstream may send as the head of an answer, by RFC 9112.</summary>
public sealed class AnswerHeadTests
{
    private const string Ok = "HTTP/1.1 200 OK\r\n";

    [Theory]
    [InlineData("\r\n")]
    [InlineData("\r\nHTTP/1.1 200 OK\r\n\r\n")]
    [InlineData(" HTTP/1.1 200 OK\r\n\r\n")]
    [InlineData("hello")]
    [InlineData("<html>\r\n\r\n")]
    [InlineData("SSH-2.0-x\r\n")]
    [InlineData("HTTP/2.0 200 OK\r\n\r\n")]
    [InlineData("HTTP/1.2 200 OK\r\n\r\n")]
    [InlineData("HTTP/0.9 200 OK\r\n\r\n")]
    [InlineData("HTTP/11 200 OK\r\n\r\n")]
    [InlineData("HTTP/1.1.1 200 OK\r\n\r\n")]
    [InlineData("HTTP/5.6 200 OK\r\n\r\n")]
    [InlineData("HTTP/01.1 200 OK\r\n\r\n")]
    [InlineData("HTTP/1.01 200 OK\r\n\r\n")]
    [InlineData("HTTPS/1.1 200 OK\r\n\r\n")]
    [InlineData("HTP/1.1 200 OK\r\n\r\n")]
    [InlineData("RTSP/1.0 200 OK\r\n\r\n")]
    [InlineData("ICY 200 OK\r\n\r\n")]
    [InlineData("\rHTTP/1.1 200 OK\r\n\r\n")]
    [InlineData("http/1.1 200 OK\r\n\r\n")]
    [InlineData("HTTP/1.1\r\n\r\n")]
    [InlineData("HTTP/1.1 \r\n\r\n")]
    [InlineData("HTTP/1.1  200 OK\r\n\r\n")]
    [InlineData("HTTP/1.1\t200 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 2 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 20 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 2000 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 200\tOK\r\n\r\n")]
    [InlineData("HTTP/1.1 200OK\r\n\r\n")]
    [InlineData("HTTP/1.1 2x0 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 -20 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 +20 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 000 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 099 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 200 O\0K\r\n\r\n")]
    [InlineData("HTTP/1.1 200 O\u0001K\r\n\r\n")]
    [InlineData("HTTP/1.1 200 O\rK\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\rA: b\r\n\r\n")]
    [InlineData("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\n")]
    [InlineData("HTTP/1.1 200 OK\n\n")]
    [InlineData("HTTP/1.1 200 OK\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nA: b\n\n")]
    [InlineData("HTTP/1.1 200 OK\r\nA: b\r\n\n")]
    public void Head_OfSomethingElse_IsRefused(string head) => Assert.Throws<InvalidAnswerException>(() => Parse(head));

    [Theory]
    [InlineData("A : b")]
    [InlineData("A\t: b")]
    [InlineData("A B: b")]
    [InlineData(" A: b")]
    [InlineData("\tA: b")]
    [InlineData(": b")]
    [InlineData("A")]
    [InlineData("A b")]
    [InlineData("A: b\r\n c")]
    [InlineData("A: b\r\n\tc")]
    [InlineData("A: b\r\n c: d")]
    [InlineData("A: b\r\n ")]
    [InlineData("A(B: b")]
    [InlineData("A\0: b")]
    [InlineData("A\u00e9: b")]
    [InlineData("A\u007f: b")]
    [InlineData("A: b\0c")]
    [InlineData("A: b\u0001c")]
    [InlineData("A: b\u007fc")]
    [InlineData("A: b\rc")]
    [InlineData("A: b\r")]
    [InlineData("A: \u000bb")]
    public void Field_Malformed_IsRefused(string line) => Assert.Throws<InvalidAnswerException>(() => Parse($"{Ok}{line}\r\n\r\n"));

    [Theory]
    [InlineData("Content-Length: 5\r\nTransfer-Encoding: chunked")]
    [InlineData("Transfer-Encoding: chunked\r\nContent-Length: 5")]
    [InlineData("Transfer-Encoding: chunked\r\nContent-Length: 0")]
    [InlineData("Content-Length: 5\r\nContent-Length: 6")]
    [InlineData("Content-Length: 5\r\nContent-Length: 5")]
    [InlineData("Content-Length: 0\r\ncontent-length: 0")]
    [InlineData("Content-Length: 5, 5")]
    [InlineData("Content-Length: 5,")]
    [InlineData("Content-Length: 5 5")]
    [InlineData("Content-Length: 5;")]
    [InlineData("Content-Length: +5")]
    [InlineData("Content-Length: -5")]
    [InlineData("Content-Length: 0x5")]
    [InlineData("Content-Length: 5.0")]
    [InlineData("Content-Length: \u00b2")]
    [InlineData("Content-Length:")]
    [InlineData("Content-Length: ")]
    [InlineData("Content-Length: 9223372036854775808")]
    [InlineData("Content-Length: 18446744073709551621")]
    [InlineData("Transfer-Encoding: gzip, chunked")]
    [InlineData("Transfer-Encoding: chunked, chunked")]
    [InlineData("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")]
    [InlineData("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity")]
    [InlineData("Transfer-Encoding: chunked, gzip")]
    [InlineData("Transfer-Encoding: chunkedchunked")]
    [InlineData("Transfer-Encoding: chunked\r\n  x")]
    [InlineData("Transfer-Encoding: identity")]
    [InlineData("Transfer-Encoding: xchunked")]
    [InlineData("Transfer-Encoding: chunked;q=1")]
    [InlineData("Transfer-Encoding: \"chunked\"")]
    [InlineData("Transfer-Encoding:")]
    public void Length_Ambiguous_IsRefused(string lines)
    {
        Assert.Throws<InvalidAnswerException>(() => Parse($"{Ok}{lines}\r\n\r\n"));
        Assert.Throws<InvalidAnswerException>(() => Parse($"{Ok}{lines}\r\n\r\n", toHead: true));
        Assert.Throws<InvalidAnswerException>(() => Parse($"HTTP/1.1 304 Not Modified\r\n{lines}\r\n\r\n"));
    }

    [Fact]
    public void TransferEncoding_OverHttp10_IsRefused() =>
        Assert.Throws<InvalidAnswerException>(() => Parse("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5", false, "200 Length 5 keeps")]
    [InlineData("HTTP/1.1 200 OK\r\ncontent-LENGTH:05 ", false, "200 Length 5 keeps")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807", false, "200 Length 9223372036854775807 keeps")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length:\t5\t", false, "200 Length 5 keeps")]
    [InlineData("HTTP/1.1 200  OK\r\nContent-Length: 5", false, "200 Length 5 keeps")]
    [InlineData("HTTP/1.1 200 \r\n.X-$a_b~:\r\nContent-Length-X: 0\r\nContent-Length: 5", false, "200 Length 5 keeps")]
    [InlineData("HTTP/1.1 200 OK\r\nProxy-Connection: close\r\nUpgrade: h2c\r\nContent-Length: 5", false, "200 Length 5 keeps")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 0", false, "200 None 0 keeps")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5", true, "200 None 5 keeps")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", false, "200 Chunked  keeps")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding:\tChunked\t", false, "200 Chunked  keeps")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", true, "200 None  keeps")]
    [InlineData("HTTP/1.1 200 OK", false, "200 UntilClose  closes")]
    [InlineData("HTTP/1.1 200 OK", true, "200 None  keeps")]
    [InlineData("HTTP/1.1 204 No Content", false, "204 None  keeps")]
    [InlineData("HTTP/1.1 304 Not Modified\r\nContent-Length: 5", false, "304 None 5 keeps")]
    [InlineData("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked", false, "304 None  keeps")]
    [InlineData("HTTP/1.0 204 No Content\r\nConnection: keep-alive", false, "204 None  closes")]
    [InlineData("HTTP/1.1 103 Early Hints\r\nLink: </a>", false, "103 None  keeps")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive, Close", false, "200 Length 5 closes")]
    [InlineData("HTTP/1.1 200 OK\r\nConnection: x\r\nContent-Length: 5\r\nConnection: close", false, "200 Length 5 closes")]
    [InlineData("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive", false, "200 Length 5 closes")]
    [InlineData("HTTP/1.1 200", false, "200 UntilClose  closes")]
    [InlineData("HTTP/1.1 999 \u00e9\tx", false, "999 UntilClose  closes")]
    [InlineData("HTTP/1.1 503 x\r\nX-Envoy-Overloaded: true\r\nContent-Length: 0", false, "503 None 0 keeps overloaded")]
    public void Head_WellFormed_SaysHowItsBodyEnds(string lines, bool toHead, string expected)
    {
        var head = Parse($"{lines}\r\n\r\n", toHead);

        Assert.Equal(expected, $"{head.Status} {head.Body} {head.Length} {(head.KeepsAlive ? "keeps" : "closes")}{(head.IsOverloaded ? " overloaded" : "")}");
    }

    [Fact]
    public void Head_AfterAnother_HasNothingOfThatOne()
    {
        var head = Parse($"{Ok}A: b\r\nSet-Cookie: c=\u00c3\u00a9\r\nContent-Length: 5\r\nConnection: close\r\nx-envoy-overloaded: true\r\n\r\n");

        head.Parse(Encoding.Latin1.GetBytes("HTTP/1.1 404 Gone\r\nA:\tb \r\nset-cookie: c=\u00ff\r\nTransfer-Encoding: chunked\r\n\r\n"), toHead: false);

        Assert.Equal([("A", "b"), ("set-cookie", "c=\u00ff"), ("Transfer-Encoding", "chunked")], head.Fields.ToArray().Select(field => (field.Name, field.Value)));
        Assert.Equal((404, "Gone", AnswerBody.Chunked, null, true, false), (head.Status, head.Reason, head.Body, head.Length, head.KeepsAlive, head.IsOverloaded));
    }

    [Theory]
    [InlineData(100, true)]
    [InlineData(101, false)]
    public void Fields_OfThisNumber_PassUpToTheLimit(int count, bool pass)
    {
        var lines = string.Concat(Enumerable.Range(0, count).Select(i => $"A{i}: b\r\n"));

        Assert.Equal(pass, Record.Exception(() => Parse($"{Ok}{lines}\r\n")) is null);
    }

    [Fact]
    public void Head_CutAnywhere_IsAwaited()
    {
        var bytes = Encoding.Latin1.GetBytes($"{Ok}Content-Length: 5\r\nA: b\r\n\r\nhello");

        var lengths = Enumerable.Range(0, bytes.Length + 1).Select(cut => new AnswerHead().Parse(bytes.AsSpan(0, cut), toHead: false));

        Assert.Equal(Enumerable.Range(0, bytes.Length + 1).Select(cut => cut < bytes.Length - 5 ? 0 : bytes.Length - 5), lengths);
    }

    // Pieces of answers in any order: most are malformed, and none may break the parser or be read beyond its end.
    [Fact]
    public void Bytes_OfAnyKind_AreAHeadOrRefused()
    {
        string[] pieces = ["HTTP/1.1 200 OK", "\r\n", "\n", "\r", ":", " ", "\t", "\0", "Content-Length", "Transfer-Encoding", "chunked", "5", "Connection", "close", "\u00ff", ",", "a", "\r\n\r\n"];

        Gen.Int[0, pieces.Length - 1].Array[0, 24].Sample(picked =>
        {
            var text = "HTTP/1.1 200 OK\r\n" + string.Concat(picked.Select(i => pieces[i]));
            var (head, bytes) = (new AnswerHead(), Encoding.Latin1.GetBytes(text));
            try
            {
                var length = head.Parse(bytes, toHead: false);
                Assert.Equal(text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4, length == 0 ? 3 : length);
                Assert.DoesNotContain(text[..length], c => c == '\0');
                Assert.All(Enumerable.Range(0, Math.Max(0, length - 1)), cut => Assert.Equal(0, new AnswerHead().Parse(bytes.AsSpan(0, cut), toHead: false)));
            }
            catch (InvalidAnswerException)
            {
                // Refused.
            }
        }, iter: 20_000);
    }

    private static AnswerHead Parse(string bytes, bool toHead = false)
    {
        var head = new AnswerHead();
        head.Parse(Encoding.Latin1.GetBytes(bytes), toHead);
        return head;
    }
}
