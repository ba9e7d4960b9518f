using System.Buffers;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// A request body that can be read again from its beginning: what has been read is kept, up to a limit. It passes bytes on as they
/// come, so a first try waits for nothing.
/// </summary>
internal sealed class ReplayableBody(Stream body, int limit) : Stream
{
    private readonly ArrayBufferWriter<byte> _kept = new();
    private int _position;

    /// <summary>False once more than the limit has been read.</summary>
    public bool CanReplay { get; private set; } = true;

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

    public void Replay() => _position = 0;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_position < _kept.WrittenCount)
        {
            // Nothing for an empty buffer, by which a reader waits until there is something.
            var again = Math.Min(buffer.Length, _kept.WrittenCount - _position);
            _kept.WrittenMemory.Slice(_position, again).CopyTo(buffer);
            _position += again;
            return again;
        }

        var count = await body.ReadAsync(buffer, cancellationToken);
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
