using System.Buffers;
using System.Collections.Frozen;
using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http.Features;

namespace UserSvc.Edge.Direct;

/// <summary>Writes a request as HTTP/1.1 into a buffer that the next request uses again.</summary>
internal sealed class RequestWriter
{
    private const int FirstBuffer = 2 * 1024;

    // A body up to this long goes along with the head, in one system call.
    private const int MaxBodyInBuffer = 4 * 1024;

    // Besides fields of the client's connection: those that are written anew, and an expectation that the edge itself has met.
    private static readonly FrozenSet<string> Left =
        FrozenSet.ToFrozenSet([.. AnswerFields.HopByHop, "Host", "Content-Length", "Expect"], StringComparer.OrdinalIgnoreCase);

    private ArrayBufferWriter<byte> _buffer = new(FirstBuffer);

    public ReadOnlyMemory<byte> Bytes => _buffer.WrittenMemory;

    /// <summary>Writes the head, and the body if it is short.</summary>
    /// <param name="request">The client's, with the headers that the upstream is to get.</param>
    /// <param name="pool">The destination's.</param>
    /// <param name="body">Null if the request has none.</param>
    /// <returns>What is left of the body.</returns>
    public ReadOnlyMemory<byte> Write(HttpRequest request, UpstreamPool pool, ReadOnlyMemory<byte>? body)
    {
        _buffer.ResetWrittenCount();
        if (_buffer.Capacity > 2 * MaxBodyInBuffer)
        {
            // Give back what one large request has taken.
            _buffer = new(FirstBuffer);
        }

        Write(request.Method);
        _buffer.Write(" "u8);
        _buffer.Write(pool.PathPrefix);
        Write(request.HttpContext.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget);
        _buffer.Write(pool.Host);
        foreach (var (name, values) in request.Headers)
        {
            if (!Left.Contains(name) && name[0] != ':')
            {
                // As HttpClient writes several values.
                Write(name, values.Count == 1 ? values[0] : string.Join(name.Equals("Cookie", StringComparison.OrdinalIgnoreCase) ? "; " : ", ", values.ToArray()));
            }
        }

        // Other methods announce a body, if only an empty one (RFC 9110, 8.6).
        if ((body?.Length ?? request.ContentLength ?? (HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method) ? (long?)null : 0)) is { } length)
        {
            Write("Content-Length", length.ToString(CultureInfo.InvariantCulture));
        }

        _buffer.Write("\r\n"u8);
        if (body is not { Length: <= MaxBodyInBuffer } small)
        {
            return body ?? default;
        }

        _buffer.Write(small.Span);
        return default;
    }

    private void Write(string name, string? value)
    {
        Write(name);
        _buffer.Write(": "u8);
        Write(value ?? "");
        _buffer.Write("\r\n"u8);
    }

    private void Write(string text)
    {
        var count = Encoding.Latin1.GetBytes(text, _buffer.GetSpan(text.Length));
        _buffer.Advance(count);
    }
}
