using System.Runtime.InteropServices;
using System.Text.Json;
using System.Threading.Channels;
using Microsoft.Extensions.Options;
using UserSvc.Edge.Statistics;
using UserSvc.ServiceDefaults;

namespace UserSvc.Edge.AccessLog;

/// <summary>
/// Takes lines without ever blocking, and writes them on one task. What does not fit in the queue, or cannot be written, is dropped and
/// counted; once a second a line says how many are missing.
/// </summary>
internal sealed partial class AccessLogWriter(
    IOptions<AccessLogOptions> options, IHostEnvironment environment, TimeProvider time, ILogger<AccessLogWriter> logger) : IHostedService, IDisposable
{
    private const int Capacity = 4096;
    private const int MaxBatch = 1024;

    // Null wakes the writer.
    private readonly Channel<AccessLine?> _queue = Channel.CreateBounded<AccessLine?>(new BoundedChannelOptions(Capacity) { SingleReader = true });
    private readonly AccessLogOptions _options = options.Value;
    private AccessLogOutput? _output;
    private PosixSignalRegistration? _hangUp;
    private ITimer? _seconds;
    private Task _writing = Task.CompletedTask;
    private int _failuresThisSecond, _second;

    // Only the writing task uses these.
    private (long LeftOut, long Dropped) _missing;
    private int _reportedIn;
    private bool _failing;
    private volatile bool _reopen;

    public Counter Written { get; } = new();

    public Counter Dropped { get; } = new();

    public Counter LeftOut { get; } = new();

    /// <returns>Whether this failure is within the limit of the current second.</returns>
    public bool AdmitFailure()
    {
        if (Interlocked.Increment(ref _failuresThisSecond) <= _options.MaxPerSecond)
        {
            return true;
        }

        LeftOut.Increment();
        return false;
    }

    public void Write(AccessLine line)
    {
        if (!_queue.Writer.TryWrite(line))
        {
            Dropped.Increment();
        }
    }

    /// <exception cref="InvalidConfigurationException">The file cannot be opened.</exception>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            _output = new(_options.File.Length == 0 ? null : Path.GetFullPath(_options.File, environment.ContentRootPath), _options.MaxSize, _options.MaxFiles);
            _output.Reopen();
        }
        catch (Exception failure) when (IsUnwritable(failure))
        {
            throw new InvalidConfigurationException($"{AccessLogOptions.Section}:File cannot be written: {failure.Message}", failure);
        }

        if (_options.File.Length > 0)
        {
            _hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
            {
                signal.Cancel = true;
                _reopen = true;
                _queue.Writer.TryWrite(null);
            });
        }

        _seconds = time.CreateTimer(_ =>
        {
            Volatile.Write(ref _failuresThisSecond, 0);
            Interlocked.Increment(ref _second);
            _queue.Writer.TryWrite(null);
        }, null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
        _writing = Task.Run(WriteAsync, CancellationToken.None);
        return Task.CompletedTask;
    }

    /// <summary>The server has stopped before: writes what is left.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _second);
        _queue.Writer.TryComplete();
        await _writing.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public void Dispose()
    {
        _hangUp?.Dispose();
        _seconds?.Dispose();
    }

    private static bool IsUnwritable(Exception failure) => failure is IOException or UnauthorizedAccessException;

    private async Task WriteAsync()
    {
        while (await _queue.Reader.WaitToReadAsync())
        {
            WriteQueued();
        }

        // Says what is missing.
        WriteQueued();
        _output!.Dispose();
    }

    private void WriteQueued()
    {
        var lines = 0;
        try
        {
            if (_reopen)
            {
                _reopen = false;
                _output!.Reopen();
            }

            while (lines < MaxBatch && _queue.Reader.TryRead(out var line))
            {
                if (line is not null)
                {
                    lines++;
                    _output!.Append(JsonSerializer.SerializeToUtf8Bytes(line, AccessLogJson.Readable.AccessLine));
                }
            }

            var missing = AppendMissing();
            _output!.Flush();
            _missing = missing;
            Written.Add(lines);
            _failing = false;
        }
        catch (Exception failure) when (IsUnwritable(failure))
        {
            Dropped.Add(lines);
            _output!.Discard();
            if (!_failing)
            {
                _failing = true;
                LogUnwritable(logger, failure.Message);
            }
        }
    }

    /// <returns>What the log has reported as missing once this is written.</returns>
    private (long LeftOut, long Dropped) AppendMissing()
    {
        var (missing, second) = ((LeftOut.Value, Dropped.Value), Volatile.Read(ref _second));
        if (missing == _missing || second == _reportedIn)
        {
            return _missing;
        }

        _reportedIn = second;
        _output!.Append(JsonSerializer.SerializeToUtf8Bytes(
            new MissingLines(AccessLogger.Format(time.GetUtcNow()), missing.Item1 - _missing.LeftOut, missing.Item2 - _missing.Dropped), AccessLogJson.Readable.MissingLines));
        return missing;
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The access log cannot be written, and its lines are lost until it can: {Reason}")]
    private static partial void LogUnwritable(ILogger logger, string reason);
}

/// <summary>Standard output, or a file that is renamed when it is full: <c>access.log</c> to <c>access.log.1</c>, that to <c>.2</c>, and so on.</summary>
/// <param name="path">Null is standard output.</param>
/// <param name="maxSize">In bytes.</param>
/// <param name="maxFiles">Including the current one.</param>
internal sealed class AccessLogOutput(string? path, long maxSize, int maxFiles) : IDisposable
{
    private const int BufferSize = 64 * 1024;

    private readonly MemoryStream _buffer = new();
    private FileStream? _file;

    public void Append(ReadOnlySpan<byte> line)
    {
        if (_file is null && path is not null)
        {
            Reopen();
        }

        if (_file is not null && _file.Length + _buffer.Length is > 0 and var size && size + line.Length + 1 > maxSize)
        {
            Flush();
            Rotate();
        }

        _buffer.Write(line);
        _buffer.WriteByte((byte)'\n');
        if (_buffer.Length >= BufferSize)
        {
            Flush();
        }
    }

    public void Flush()
    {
        if (_buffer.Length == 0)
        {
            return;
        }

        if (path is null)
        {
            // Through the console's lock: a pipe may split what another writer writes at the same time.
            Console.Out.Write(Console.OutputEncoding.GetString(_buffer.GetBuffer().AsSpan(0, (int)_buffer.Length)));
        }
        else
        {
            _file!.Write(_buffer.GetBuffer().AsSpan(0, (int)_buffer.Length));
        }

        _buffer.SetLength(0);
    }

    /// <summary>Forgets what a failed write has left, and opens the file again with the next line.</summary>
    public void Discard()
    {
        _buffer.SetLength(0);
        _file?.Dispose();
        _file = null;
    }

    /// <summary>Opens the file at the path, which may be another one than before.</summary>
    public void Reopen()
    {
        _file?.Dispose();
        _file = null;
        _file = path is null ? null : new(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
    }

    public void Dispose() => _file?.Dispose();

    private void Rotate()
    {
        for (var number = maxFiles - 1; number >= 1; number--)
        {
            var newer = number == 1 ? path! : $"{path}.{number - 1}";
            if (File.Exists(newer))
            {
                File.Move(newer, $"{path}.{number}", overwrite: true);
            }
        }

        if (maxFiles == 1)
        {
            File.Delete(path!);
        }

        Reopen();
    }
}
