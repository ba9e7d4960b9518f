using System.Diagnostics;
using System.Net;
using Npgsql;
using UserSvc.AppHost.Processes;
using UserSvc.AppHost.Topology;

namespace UserSvc.AppHost.Postgres;

/// <summary>
/// A PostgreSQL server that lives as long as this object: started again on its port and data when it dies, stopped when disposed of.
/// AppHost, Standalone and tests start theirs here.
/// </summary>
internal sealed class PostgresServer : IAsyncDisposable
{
    private static readonly TimeSpan Probe = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan QuitTimeout = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan LongestBackoff = TimeSpan.FromSeconds(5);

    private readonly PostgresOptions _options;
    private readonly PostgresEngine _engine;
    private readonly FileLock _folderLock;
    private readonly string _password;
    private readonly Queue<string> _lastLines = [];

    private Process? _process;
    private CancellationTokenSource _stopping = new();
    private Task _supervision = Task.CompletedTask;

    private PostgresServer(PostgresOptions options, PostgresEngine engine, FileLock folderLock, string password)
    {
        _options = options;
        _engine = engine;
        _folderLock = folderLock;
        _password = password;
        Port = options.Port;
    }

    public int Port { get; private set; }

    /// <summary>The postmaster's, for <c>kill -9</c>; another one after each start.</summary>
    public int ProcessId { get; private set; }

    public string Folder => _options.Folder;

    public string Description => _engine.Description;

    /// <exception cref="LaunchException">No server can be started; the message names the reason and the remedy.</exception>
    public static async Task<PostgresServer> StartAsync(PostgresOptions options, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(options.Folder);
        var lockPath = Path.Combine(options.Folder, "lock");
        var folderLock = FileLock.TryTake(lockPath)
            ?? throw new LaunchException($"The PostgreSQL data in {options.Folder} is in use by process {FileLock.Holder(lockPath)}: stop that one first.");
        PostgresServer? server = null;
        try
        {
            var engine = await PostgresChoice.EngineAsync(options, cancellationToken);
            var password = SecretFile.ReadOrCreate(options.PasswordFile);
            server = new PostgresServer(options, engine, folderLock, password);
            options.Log(engine.Description);
            await engine.PrepareAsync(password, cancellationToken);
            await server.StartAsync(cancellationToken);
            foreach (var database in options.Databases)
            {
                await server.CreateDatabaseAsync(database, cancellationToken);
            }

            return server;
        }
        catch
        {
            if (server is null)
            {
                folderLock.Dispose();
            }
            else
            {
                await server.DisposeAsync();
            }

            throw;
        }
    }

    /// <summary>A server of its own in a temporary folder, which goes when it is disposed of. <c>Postgres=Local</c> in the environment does without a container.</summary>
    public static Task<PostgresServer> StartTemporaryAsync(CancellationToken cancellationToken) => StartAsync(
        new()
        {
            Folder = Directory.CreateTempSubdirectory("usersvc-postgres-").FullName,
            Temporary = true,
            Kind = TopologyOptions.Read([]).Postgres,
            Settings = new Dictionary<string, string> { ["max_connections"] = "300" },
        },
        cancellationToken);

    /// <summary>An Npgsql connection string.</summary>
    public string ConnectionString(string database) => Connection(database).ConnectionString;

    /// <summary>Creates the database, in UTF-8 and ordered by code point, unless it is there.</summary>
    public async Task CreateDatabaseAsync(string name, CancellationToken cancellationToken)
    {
        await using var connection = new NpgsqlConnection(Connection("postgres", pooling: false).ConnectionString);
        await connection.OpenAsync(cancellationToken);
        await using var command = connection.CreateCommand();
        command.CommandText = $"CREATE DATABASE \"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
        try
        {
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
        catch (PostgresException failure) when (failure.SqlState == PostgresErrorCodes.DuplicateDatabase)
        {
            // As wanted.
        }
    }

    /// <summary>Starts a stopped or killed server on the same port and data.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await LaunchAsync(cancellationToken);
        _stopping = new();
        _supervision = SuperviseAsync(_stopping.Token);
    }

    /// <summary>Fast shutdown (transactions are aborted, all that was committed stays), bounded by time. The server stays down.</summary>
    public async Task StopAsync()
    {
        await _stopping.CancelAsync();
        await _supervision.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_process is null)
        {
            return;
        }

        foreach (var (signal, timeout) in ((int, TimeSpan)[])[(Signals.Interrupt, _options.StopTimeout), (Signals.Quit, QuitTimeout), (Signals.Kill, QuitTimeout)])
        {
            if (!_process.HasExited)
            {
                await _engine.SignalAsync(_process, signal);
                await _process.ExitsWithinAsync(timeout);
            }
        }

        _process.Dispose();
        _process = null;
        ProcessId = 0;
    }

    /// <summary>Kills the postmaster, as a crash would. It is started again, like after any kill.</summary>
    public Task KillAsync() => _engine.SignalAsync(_process!, Signals.Kill);

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        if (_options.Temporary)
        {
            await _engine.DeleteDataAsync(CancellationToken.None);
        }

        _folderLock.Dispose();
        _stopping.Dispose();
        if (_options.Temporary)
        {
            Directory.Delete(_options.Folder, recursive: true);
        }
    }

    private async Task SuperviseAsync(CancellationToken cancellationToken)
    {
        var backoff = Probe;
        while (true)
        {
            await _process!.WaitForExitAsync(cancellationToken);
            _options.Log($"PostgreSQL ended with exit code {_process.ExitCode}; starting it again");
            try
            {
                await LaunchAsync(cancellationToken);
                backoff = Probe;
            }
            catch (LaunchException failure)
            {
                _options.Log(failure.Message);
                await Task.Delay(backoff, cancellationToken);
                backoff = backoff * 2 < LongestBackoff ? backoff * 2 : LongestBackoff;
            }
        }
    }

    private async Task LaunchAsync(CancellationToken cancellationToken)
    {
        var deadline = Stopwatch.StartNew();
        while (true)
        {
            if (Port == 0)
            {
                Port = Ports.Free();
            }

            if (!Ports.IsFree(IPAddress.Loopback, Port))
            {
                // A server that has just died may hold it for a moment; another program's would answer the readiness check below.
                if (ProcessId != 0 && deadline.Elapsed < _options.StopTimeout)
                {
                    await Task.Delay(Probe, cancellationToken);
                    continue;
                }

                throw new LaunchException($"PostgreSQL cannot listen on port {Port}: another program does.");
            }

            _process?.Dispose();
            _lastLines.Clear();
            _process = Command.Start(_engine.Command(Port));
            var reading = Task.WhenAll(ReadAsync(_process.StandardOutput), ReadAsync(_process.StandardError));
            if (await IsReadyAsync(_process, deadline, cancellationToken))
            {
                ProcessId = await _engine.PostmasterAsync(_process, cancellationToken);
                return;
            }

            if (!_process.HasExited)
            {
                await _engine.SignalAsync(_process, Signals.Quit);
                await _process.ExitsWithinAsync(_options.StopTimeout, cancellationToken);
            }

            await reading.WaitAsync(_options.StopTimeout, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (deadline.Elapsed > _options.StartTimeout || !IsTransient())
            {
                throw new LaunchException($"PostgreSQL does not start on port {Port}:\n  {string.Join("\n  ", Lines())}");
            }

            await Task.Delay(Probe, cancellationToken);
        }
    }

    /// <summary>After a crash the last backends may hold the shared memory for a moment; and a port found free may be taken since.</summary>
    private bool IsTransient()
    {
        var lines = string.Join('\n', Lines());
        if (_options.Port == 0 && ProcessId == 0 && lines.Contains("Address already in use", StringComparison.Ordinal))
        {
            Port = 0;
            return true;
        }

        return lines.Contains("shared memory block", StringComparison.Ordinal) || lines.Contains("lock file \"postmaster.pid\" already exists", StringComparison.Ordinal);
    }

    private async Task<bool> IsReadyAsync(Process process, Stopwatch elapsed, CancellationToken cancellationToken)
    {
        while (!process.HasExited && elapsed.Elapsed < _options.StartTimeout)
        {
            try
            {
                await using var connection = new NpgsqlConnection(Connection("postgres", pooling: false).ConnectionString);
                await connection.OpenAsync(cancellationToken);
                return true;
            }
            catch (PostgresException failure) when (failure.SqlState == PostgresErrorCodes.InvalidPassword)
            {
                throw new LaunchException(
                    $"The server refuses the password in {_options.PasswordFile}: its data was made with another one. Bring that file back, or start empty.", failure);
            }
            catch (NpgsqlException)
            {
                await process.ExitsWithinAsync(Probe, cancellationToken);
            }
        }

        return false;
    }

    private async Task ReadAsync(StreamReader lines)
    {
        while (await lines.ReadLineAsync() is { } line)
        {
            _options.Log(line);
            lock (_lastLines)
            {
                _lastLines.Enqueue(line);
                if (_lastLines.Count > 10)
                {
                    _lastLines.Dequeue();
                }
            }
        }
    }

    private string[] Lines()
    {
        lock (_lastLines)
        {
            return [.. _lastLines];
        }
    }

    private NpgsqlConnectionStringBuilder Connection(string database, bool pooling = true) => new()
    {
        Host = "127.0.0.1",
        Port = Port,
        Username = PostgresEngine.User,
        Password = _password,
        Database = database,
        Pooling = pooling,
    };
}
