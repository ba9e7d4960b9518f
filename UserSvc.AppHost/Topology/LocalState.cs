using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using UserSvc.AppHost.Postgres;
using UserSvc.AppHost.Processes;

namespace UserSvc.AppHost.Topology;

/// <summary>What a local run keeps in its state folder, which one AppHost uses at a time.</summary>
internal sealed class LocalState : IDisposable
{
    private static readonly TimeSpan CleanUpTime = TimeSpan.FromSeconds(15);

    private readonly TopologyOptions _options;
    private readonly FileLock _folderLock;

    private LocalState(TopologyOptions options, FileLock folderLock)
    {
        _options = options;
        _folderLock = folderLock;
        Postgres = new() { Folder = Path.Combine(options.StateFolder, "postgres"), Databases = ["users"], Log = Console.WriteLine };
        AdminKey = SecretFile.ReadOrCreate(AdminKeyFile);
        Certificate = options.Tls ? LocalCertificate.Prepare(Path.Combine(options.StateFolder, "tls")) : null;
    }

    public string AdminKeyFile => Path.Combine(_options.StateFolder, "admin.key");

    public string AdminKey { get; }

    public PostgresOptions Postgres { get; }

    public string PostgresPassword => SecretFile.ReadOrCreate(Postgres.PasswordFile);

    /// <summary>Null without TLS.</summary>
    public LocalCertificate? Certificate { get; }

    /// <exception cref="LaunchException">Another AppHost uses the folder.</exception>
    public static LocalState Take(TopologyOptions options)
    {
        Directory.CreateDirectory(options.StateFolder);
        var path = Path.Combine(options.StateFolder, "lock");
        var folderLock = FileLock.TryTake(path) ?? throw new LaunchException(
            $"UserSvc already runs from here, as process {FileLock.Holder(path)}: use that one, or stop it first (Ctrl-C, or kill {FileLock.Holder(path)}).");
        try
        {
            Directory.CreateDirectory(Path.Combine(options.StateFolder, "postgres"));
            return new(options, folderLock);
        }
        catch
        {
            folderLock.Dispose();
            throw;
        }
    }

    /// <exception cref="LaunchException">One of the edge's ports is taken; the message names the port and its option.</exception>
    public async Task RequireFreePortsAsync()
    {
        // After an AppHost was killed, its orchestrator needs a few seconds to stop the services.
        for (var age = Stopwatch.StartNew(); _folderLock.WasAbandoned && TakenPort() is not null && age.Elapsed < CleanUpTime; await Task.Delay(CleanUpTime / 100))
        {
        }

        if (TakenPort() is var (port, option, upOption))
        {
            throw new LaunchException($"Port {port} is taken by another program: stop that one, or choose another port with {option} (up.sh: {upOption}).");
        }
    }

    public void Dispose() => _folderLock.Dispose();

    private (int Port, string Option, string UpOption)? TakenPort() =>
        !IsFree(_options.Port) ? (_options.Port, "--Port", "--port")
        : !IsFree(_options.HealthPort) ? (_options.HealthPort, "--HealthPort", "--health-port")
        : !IsFree(_options.AdminPort) ? (_options.AdminPort, "--AdminPort", "--admin-port")
        : _options.Tls && !IsFree(_options.TlsPort) ? (_options.TlsPort, "--TlsPort", "--tls-port")
        : null;

    private static bool IsFree(int port) =>
        Ports.IsFree(IPAddress.Loopback, port) && (!Socket.OSSupportsIPv6 || Ports.IsFree(IPAddress.IPv6Loopback, port));
}
