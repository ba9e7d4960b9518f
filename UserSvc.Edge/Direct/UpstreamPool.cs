using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Direct;

/// <summary>The connections to one destination. Of those that wait for a request, the last used is taken first, so that the others can age.</summary>
internal sealed class UpstreamPool
{
    private readonly Lock _lock = new();
    private readonly List<UpstreamConnection> _idle = [];
    private readonly EndPoint _endpoint;
    private int _open;

    public UpstreamPool(DestinationModel destination)
    {
        // Such as http://10.0.0.1:8080/base.
        var uri = new Uri(destination.Config.Address);
        var host = uri.HostNameType is UriHostNameType.IPv6 ? uri.Host : uri.IdnHost;
        _endpoint = IPAddress.TryParse(uri.IdnHost, out var address) ? new IPEndPoint(address, uri.Port) : new DnsEndPoint(uri.IdnHost, uri.Port);
        PathPrefix = Encoding.Latin1.GetBytes(uri.AbsolutePath.TrimEnd('/'));
        Host = Encoding.Latin1.GetBytes($" HTTP/1.1\r\nHost: {destination.Config.Host ?? (uri.IsDefaultPort ? host : $"{host}:{uri.Port}")}\r\n");
    }

    public byte[] PathPrefix { get; }

    /// <summary>The end of the request line and the Host field.</summary>
    public byte[] Host { get; }

    /// <param name="maxAge">None older than this is taken; null means any.</param>
    /// <returns>A connection that the upstream has neither closed nor written to; null if there is none.</returns>
    public UpstreamConnection? TakeIdle(TimeSpan? maxAge)
    {
        var oldest = maxAge is { } age ? Environment.TickCount64 - (long)age.TotalMilliseconds : long.MinValue;
        while (Pop() is { } connection)
        {
            if (connection.Keep(connection.Opened > oldest))
            {
                return connection;
            }
        }

        return null;
    }

    /// <exception cref="HttpRequestException">The destination cannot be reached.</exception>
    /// <exception cref="OperationCanceledException">The token, or, with an inner <see cref="TimeoutException"/>, <paramref name="limit"/> has ended the attempt.</exception>
    public async ValueTask<UpstreamConnection> ConnectAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        Socket? socket = null;
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(limit);
        try
        {
            socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(_endpoint, timeout.Token);
            Interlocked.Increment(ref _open);
            return new(socket, this);
        }
        catch (Exception failure)
        {
            socket?.Dispose();
            throw failure switch
            {
                SocketException { SocketErrorCode: SocketError.HostNotFound or SocketError.TryAgain or SocketError.NoData } =>
                    new HttpRequestException(HttpRequestError.NameResolutionError, failure.Message, failure),
                SocketException => new HttpRequestException(HttpRequestError.ConnectionError, failure.Message, failure),
                OperationCanceledException when !cancellationToken.IsCancellationRequested =>
                    new OperationCanceledException("The attempt got no connection.", new TimeoutException($"No connection within {limit.TotalMilliseconds:0} ms.")),
                _ => failure,
            };
        }
    }

    public void Return(UpstreamConnection connection)
    {
        lock (_lock)
        {
            _idle.Add(connection);
        }
    }

    public void Closed() => Interlocked.Decrement(ref _open);

    /// <summary>Closes connections that have been idle for this long, and those that their upstream has closed.</summary>
    /// <returns>Whether any is open.</returns>
    public bool Trim(TimeSpan idle)
    {
        var since = Environment.TickCount64 - (long)idle.TotalMilliseconds;
        lock (_lock)
        {
            _idle.RemoveAll(connection => !connection.Keep(connection.IdleSince > since));
        }

        return Volatile.Read(ref _open) > 0;
    }

    private UpstreamConnection? Pop()
    {
        lock (_lock)
        {
            if (_idle is not [.., var last])
            {
                return null;
            }

            _idle.RemoveAt(_idle.Count - 1);
            return last;
        }
    }
}

/// <summary>A pool for each destination. A reload that changes a destination gives it another model, and so another pool.</summary>
internal sealed class UpstreamPools(TimeProvider time) : BackgroundService
{
    private readonly ConcurrentDictionary<DestinationModel, UpstreamPool> _pools = [];

    public UpstreamPool Get(DestinationModel destination) => _pools.GetOrAdd(destination, static d => new(d));

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var tick = new PeriodicTimer(TimeSpan.FromSeconds(15), time);
        while (await tick.WaitForNextTickAsync(stoppingToken))
        {
            foreach (var (destination, pool) in _pools)
            {
                // As in SocketsHttpHandler.
                if (!pool.Trim(TimeSpan.FromMinutes(1)))
                {
                    _pools.TryRemove(destination, out _);
                }
            }
        }
    }
}
