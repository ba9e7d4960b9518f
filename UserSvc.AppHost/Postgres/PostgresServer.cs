using System.Diagnostics;
using System.Net;
using Npgsql;
using UserSvc.AppHost.Processes;

namespace UserSvc.AppHost.Postgres;

/// <summary>A PostgreSQL server that lives as long as this object. It restarts on the same port and data when it dies.</summary>
internal sealed class PostgresServer : IAsyncDisposable
{
    public const string LockName = "lock";

    private static readonly TimeSpan Probe = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan QuitTimeout = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan LongestBackoff = TimeSpan.FromSeconds(5);

    private readonly PostgresOptions _options;
    private readonly LocalPostgres _local;
    private readonly FileLock _folderLock;
    private readonly string _password;
    private readonly SemaphoreSlim _startOrStop = new(1, 1);

    private Process? _process;
    private bool _hasRun;
    private CancellationTokenSource _stopping = new();
    private Task _supervision = Task.CompletedTask;

    private PostgresServer(PostgresOptions options, LocalPostgres local, FileLock folderLock, string password)
    {
        _options = options;
        _local = local;
        _folderLock = folderLock;
        _password = password;
        Port = options.Port;
    }

    public int Port { get; private set; }

    /// <summary>The postmaster's process id. Each start changes it.</summary>
    public int ProcessId { get; private set; }

    public string Folder => _options.Folder;

    public string Description => _local.Description;

    /// <exception cref="LaunchException">The server cannot be started; the message says why and what to do.</exception>
    public static async Task<PostgresServer> StartAsync(PostgresOptions options, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(options.Folder);
        var lockPath = Path.Combine(options.Folder, LockName);
        var folderLock = FileLock.TryTake(lockPath)
            ?? throw new LaunchException($"The PostgreSQL data in {options.Folder} is in use by process {FileLock.Holder(lockPath)}: stop that one first.");
        PostgresServer? server = null;
        try
        {
            var local = new LocalPostgres(options);
            var password = SecretFile.ReadOrCreate(options.PasswordFile);
            server = new PostgresServer(options, local, folderLock, password);
            await local.PrepareAsync(password, cancellationToken);
            options.Log(local.Description);
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

    /// <summary>An Npgsql connection string.</summary>
    public string ConnectionString(string database) => Connection(database).ConnectionString;

    /// <summary>Creates the database if it is missing.</summary>
    public async Task CreateDatabaseAsync(string name, CancellationToken cancellationToken)
    {
        await using var connection = new NpgsqlConnection(Connection("postgres", pooling: false).ConnectionString);
        await connection.OpenAsync(cancellationToken);
        await using var query = new NpgsqlCommand("SELECT 1 FROM pg_database WHERE datname = $1", connection) { Parameters = { new() { Value = name } } };
        if (await query.ExecuteScalarAsync(cancellationToken) is null)
        {
            await using var command = new NpgsqlCommand($"CREATE DATABASE \"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"", connection);
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
    }

    /// <summary>Starts a stopped or killed server on the same port and data; does nothing if it runs.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await _startOrStop.WaitAsync(cancellationToken);
        try
        {
            if (_process is null)
            {
                await LaunchAsync(cancellationToken);
                _stopping = new();
                _supervision = SuperviseAsync(_stopping.Token);
            }
        }
        finally
        {
            _startOrStop.Release();
        }
    }

    /// <summary>Shuts down fast: aborts transactions, keeps everything committed, and kills the server if it takes too long. It stays down.</summary>
    public Task StopAsync() => EndAsync([(Signals.Interrupt, _options.StopTimeout), (Signals.Quit, QuitTimeout), (Signals.Kill, QuitTimeout)]);

    /// <summary>Kills the postmaster, like a crash. The server stays down.</summary>
    public Task CrashAsync() => EndAsync([(Signals.Kill, _options.StopTimeout)]);

    /// <summary>Kills the postmaster, like a crash. The server restarts.</summary>
    public void Kill() => Signals.Send(_process!.Id, Signals.Kill);

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        if (_options.Temporary)
        {
            await _local.DeleteDataAsync(CancellationToken.None);
        }

        _folderLock.Dispose();
        _stopping.Dispose();
        _startOrStop.Dispose();
        if (_options.Temporary)
        {
            Directory.Delete(_options.Folder, recursive: true);
        }
    }

    private async Task EndAsync(IEnumerable<(int Signal, TimeSpan Timeout)> steps)
    {
        await _startOrStop.WaitAsync();
        try
        {
            await _stopping.CancelAsync();
            await _supervision.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            foreach (var (signal, timeout) in steps)
            {
                if (_process is { HasExited: false })
                {
                    Signals.Send(_process.Id, signal);
                    await _process.ExitsWithinAsync(timeout);
                }
            }

            _process?.Dispose();
            _process = null;
            ProcessId = 0;
        }
        finally
        {
            _startOrStop.Release();
        }
    }

    private async Task SuperviseAsync(CancellationToken cancellationToken)
    {
        var backoff = Probe;
        while (true)
        {
            await _process!.WaitForExitAsync(cancellationToken);
            _options.Log($"PostgreSQL exited with code {_process.ExitCode}; restarting it");
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
                // A server that just died may hold the port for a moment. Another program's server would answer the readiness check below.
                if (_hasRun && deadline.Elapsed < _options.StopTimeout)
                {
                    await Task.Delay(Probe, cancellationToken);
                    continue;
                }

                throw new LaunchException($"PostgreSQL cannot listen on port {Port}: another program does. Stop that program.");
            }

            _process?.Dispose();
            _process = Command.Start(_local.Command(Port));
            var output = new OutputTail(_options.Log);
            var reading = output.ReadAsync(_process);
            if (await IsReadyAsync(_process, deadline, cancellationToken))
            {
                ProcessId = _process.Id;
                _hasRun = true;
                return;
            }

            if (!_process.HasExited)
            {
                Signals.Send(_process.Id, Signals.Quit);
                await _process.ExitsWithinAsync(_options.StopTimeout, cancellationToken);
            }

            await reading.WaitAsync(_options.StopTimeout, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (deadline.Elapsed > _options.StartTimeout || !IsTransient(string.Join('\n', output.Lines)))
            {
                throw new LaunchException($"PostgreSQL did not start on port {Port}. Its last lines:\n  {string.Join("\n  ", output.Lines)}");
            }

            await Task.Delay(Probe, cancellationToken);
        }
    }

    /// <summary>After a crash the last backends may hold the shared memory for a moment, and another program may have taken a port that was free.</summary>
    private bool IsTransient(string lines)
    {
        if (_options.Port == 0 && !_hasRun && lines.Contains("address already in use", StringComparison.OrdinalIgnoreCase))
        {
            Port = 0;
            return true;
        }

        return lines.Contains("shared memory block", StringComparison.Ordinal)
            || lines.Contains("lock file \"postmaster.pid\" already exists", StringComparison.Ordinal);
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
                    $"PostgreSQL refuses the password in {_options.PasswordFile}: the data was created with another one. Restore that file, or delete the data.", failure);
            }
            catch (NpgsqlException)
            {
                await process.ExitsWithinAsync(Probe, cancellationToken);
            }
        }

        return false;
    }

    private NpgsqlConnectionStringBuilder Connection(string database, bool pooling = true) => new()
    {
        Host = "127.0.0.1",
        Port = Port,
        Username = LocalPostgres.User,
        Password = _password,
        Database = database,
        Pooling = pooling,
    };
}
