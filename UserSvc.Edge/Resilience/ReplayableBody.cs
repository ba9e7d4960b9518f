using System.Buffers;
using Microsoft.AspNetCore.Http.Features;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// A request body that can be read again from its beginning: it keeps what was read, up to a limit. Bytes pass on as they come, so a
/// first attempt waits for nothing.
/// </summary>
internal sealed class ReplayableBody(Stream body, int limit) : Stream
{
    private const int Limit = 64 * 1024;

    private readonly ArrayBufferWriter<byte> _kept = new();
    private int _position;

    /// <summary>False once more than the limit has been read.</summary>
    public bool CanReplay { get; private set; } = true;

    /// <summary>What the client has sent of it.</summary>
    public long BytesRead { get; private set; }

    /// <summary>Whether the client has sent all of it.</summary>
    public bool HasEnded { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Replaces the request's body; null without one.</summary>
    public static ReplayableBody? Wrap(HttpContext context, bool keepNothing)
    {
        if (context.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody != true)
        {
            return null;
        }

        var body = new ReplayableBody(context.Request.Body, keepNothing ? 0 : Limit);
        context.Request.Body = body;
        return body;
    }

    public void Rewind() => _position = 0;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_position < _kept.WrittenCount)
        {
            // An empty buffer gets nothing: a reader that passes one waits for data.
            var again = Math.Min(buffer.Length, _kept.WrittenCount - _position);
            _kept.WrittenMemory.Slice(_position, again).CopyTo(buffer);
            _position += again;
            return again;
        }

        var count = await body.ReadAsync(buffer, cancellationToken);
        BytesRead += count;
        HasEnded |= count == 0 && !buffer.IsEmpty;
        CanReplay &= _kept.WrittenCount + count <= limit;
        if (CanReplay)
        {
            _kept.Write(buffer.Span[..count]);
            _position = _kept.WrittenCount;
        }

        return count;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
