using System.Net;

namespace UserSvc.Edge.Limits;

/// <summary>
/// A request's body, of which up to <see cref="Limit"/> bytes are read ahead and kept. It can be read again from its beginning until more
/// than that has been read; the rest passes on as it comes. A feature of the request's context.
/// </summary>
internal sealed class RequestBody(
    Stream body, long? length, RequestBufferBudget budget, IPAddress? client, int limit = RequestBody.Limit) : Stream
{
    public const int Limit = 64 * 1024;

    private const int FirstBuffer = 4 * 1024;

    private readonly int _wanted = (int)Math.Min(length ?? limit, limit);
    // Not pooled: an attempt that was given up may still read from it.
    private byte[] _kept = [];
    private int _count, _position;

    /// <summary>False once more than the limit has been read.</summary>
    public bool CanReplay { get; private set; } = true;

    /// <summary>The bytes that were taken from the budget.</summary>
    public int Taken => _kept.Length;

    /// <summary>What the client has sent of it.</summary>
    public long BytesRead { get; private set; }

    /// <summary>Whether the client has sent all of it.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>Why it could not be read to its end before the request was forwarded; null while it could.</summary>
    public Exception? Failure { get; set; }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>
    /// Reads up to the limit or the end. The buffer grows with what arrives: what a client only announces takes nothing from the budget.
    /// </summary>
    /// <returns>Whether the budget sufficed.</returns>
    public async ValueTask<bool> ReadAheadAsync(CancellationToken cancellationToken)
    {
        while (!HasEnded && _count < _wanted)
        {
            if (_count == _kept.Length)
            {
                var size = Math.Min(Math.Max(FirstBuffer, 2 * _kept.Length), _wanted);
                if (!budget.TryTake(client, size - _kept.Length))
                {
                    return false;
                }

                Array.Resize(ref _kept, size);
            }

            _count += await ReadOnAsync(_kept.AsMemory(_count), cancellationToken);
        }

        return true;
    }

    public void Rewind() => _position = 0;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_position < _count)
        {
            // An empty buffer gets nothing: a reader that passes one waits for data.
            var kept = Math.Min(buffer.Length, _count - _position);
            _kept.AsMemory(_position, kept).CopyTo(buffer);
            _position += kept;
            return kept;
        }

        var count = await ReadOnAsync(buffer, cancellationToken);
        CanReplay &= count == 0;
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

    private async ValueTask<int> ReadOnAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var count = await body.ReadAsync(buffer, cancellationToken);
        BytesRead += count;
        HasEnded |= BytesRead == length || (count == 0 && !buffer.IsEmpty);
        return count;
    }
}
