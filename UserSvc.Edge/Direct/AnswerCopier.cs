using System.Buffers.Text;
using Microsoft.AspNetCore.Http.Features;
using UserSvc.Edge.Resilience;

namespace UserSvc.Edge.Direct;

/// <summary>Copies an answer's body to the client as it arrives.</summary>
internal sealed class AnswerCopier(UpstreamConnection upstream, HttpContext context, Attempts attempts, CancellationToken ended)
{
    public ValueTask CopyAsync() => upstream.Head switch
    {
        { Body: AnswerBody.Length, Length: { } length } => CopyAsync(length),
        { Body: AnswerBody.Chunked } => CopyChunksAsync(),
        _ => CopyToEndAsync(),
    };

    private async ValueTask CopyToEndAsync()
    {
        do
        {
            await WriteAsync(upstream.Received.Length);
        }
        while (await upstream.TryReceiveAsync());
    }

    private async ValueTask CopyAsync(long count)
    {
        while (true)
        {
            var here = (int)Math.Min(count, upstream.Received.Length);
            await WriteAsync(here);
            if ((count -= here) == 0)
            {
                return;
            }

            await upstream.ReceiveAsync();
        }
    }

    private async ValueTask CopyChunksAsync()
    {
        while (ParseSize((await ReadLineAsync()).Span) is > 0 and var size)
        {
            await CopyAsync(size);
            if (!(await ReadLineAsync()).IsEmpty)
            {
                throw new InvalidAnswerException("A chunk of the answer is longer than it says.");
            }
        }

        var trailers = context.Features.Get<IHttpResponseTrailersFeature>()?.Trailers;
        var field = new AnswerField();
        for (var count = 0; await ReadLineAsync() is { IsEmpty: false } line; count++)
        {
            field.Set(line.Span, AnswerLine.FindColon(line.Span, count));
            AnswerFields.CopyTrailer(field, trailers);
        }
    }

    // 1A3F;extension
    private static long ParseSize(ReadOnlySpan<byte> line) =>
        Utf8Parser.TryParse(line, out long size, out var digits, 'x') && size >= 0 && !line.ContainsAny(AnswerLine.Controls)
            && (digits == line.Length || line[digits..].TrimStart(" \t"u8).StartsWith(";"u8))
            ? size
            : throw new InvalidAnswerException("The size of a chunk of the answer is malformed.");

    private async ValueTask<ReadOnlyMemory<byte>> ReadLineAsync()
    {
        while (true)
        {
            var received = upstream.Received;
            var rest = received.Span;
            if (AnswerLine.TryRead(ref rest, out var line))
            {
                upstream.Consume(received.Length - rest.Length);
                return received[..line.Length];
            }

            await upstream.ReceiveAsync();
        }
    }

    private async ValueTask WriteAsync(int count)
    {
        if (count > 0)
        {
            await context.Response.Body.WriteAsync(upstream.Received[..count], ended);
            attempts.Touch();
            upstream.Consume(count);
        }
    }
}
