using System.Diagnostics;
using System.Globalization;
using UserSvc.AppHost.Processes;

namespace UserSvc.AppHost.Postgres;

/// <summary>PostgreSQL's binaries and data on this machine, used as an unprivileged user.</summary>
/// <exception cref="LaunchException">The process is root's, and the system has no user to run the server as.</exception>
internal sealed class LocalPostgres(PostgresOptions options)
{
    public const string User = "postgres";

    /// <summary>Text in UTF-8, ordered by code point; a container's cluster is made the same.</summary>
    public static readonly string[] InitDbOptions = ["--encoding=UTF8", "--locale=C", "--auth=scram-sha-256"];

    // The server refuses to run as root.
    private readonly SystemUser? _user = Environment.IsPrivilegedProcess && !OperatingSystem.IsWindows()
        ? SystemUser.Find("postgres", "nobody") ?? throw new LaunchException("PostgreSQL does not run as root, and the system has neither a user 'postgres' nor 'nobody'.")
        : null;

    private const UnixFileMode Traversable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    // Used where the server's user cannot reach the options' folder.
    private readonly string _otherFolder = Path.Combine("/var/lib/usersvc", FolderKey.Create(options.Folder));

    private string _data = Path.Combine(Path.GetFullPath(options.Folder), "data");

    /// <exception cref="LaunchException">They are not installed.</exception>
    private static string Binaries => PostgresBinaries.Find()
        ?? throw new LaunchException($"PostgreSQL's programs are missing: install them ({PostgresBinaries.InstallHint}).");

    /// <summary>For the log: what runs and where its data is.</summary>
    public string Description => $"PostgreSQL from {Binaries}{(_user is null ? "" : $" as user {_user.Name}")}, data in {_data}";

    /// <summary>Makes the data folder when missing, and ends a server left over by an AppHost that was killed.</summary>
    public async Task PrepareAsync(string password, CancellationToken cancellationToken)
    {
        await ChooseFolderAsync(cancellationToken);
        if (!Directory.Exists(_data))
        {
            await InitializeAsync(password, cancellationToken);
        }

        await StopOrphanAsync(_data, cancellationToken);
    }

    public ProcessStartInfo Command(int port) => Processes.Command.InOwnSession(Runs(
    [
        Path.Combine(Binaries, "postgres"), "-D", _data, "-p", port.ToString(CultureInfo.InvariantCulture),
        "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
        .. options.Settings.SelectMany(setting => new[] { "-c", $"{setting.Key}={setting.Value}" }),
    ]));

    /// <summary>Deletes the data, in whichever folder it is, and first ends a server that still runs on it.</summary>
    public async Task DeleteDataAsync(CancellationToken cancellationToken)
    {
        foreach (var folder in (string[])[Path.GetFullPath(options.Folder), _otherFolder])
        {
            var data = Path.Combine(folder, "data");
            await StopOrphanAsync(data, cancellationToken);
            if (Directory.Exists(data))
            {
                Directory.Delete(data, recursive: true);
            }
        }

        if (Directory.Exists(_otherFolder))
        {
            Directory.Delete(_otherFolder, recursive: true);
        }
    }

    /// <summary>The clone may lie in a folder that is closed to the server's user (/root is): the data then goes to /var/lib/usersvc.</summary>
    private async Task ChooseFolderAsync(CancellationToken cancellationToken)
    {
        var folder = Path.GetDirectoryName(_data)!;
        if (_user is null || OperatingSystem.IsWindows())
        {
            return;
        }

        File.SetUnixFileMode(folder, Traversable);
        if ((await RunAsync(["test", "-x", folder], cancellationToken)).Succeeded)
        {
            return;
        }

        Directory.CreateDirectory(_otherFolder);
        File.SetUnixFileMode(Path.GetDirectoryName(_otherFolder)!, Traversable);
        File.SetUnixFileMode(_otherFolder, Traversable);
        File.WriteAllText(Path.Combine(_otherFolder, "belongs-to"), folder + "\n");
        _data = Path.Combine(_otherFolder, "data");
        options.Log($"user {_user.Name} cannot reach {folder}: the data is in {_data}");
    }

    private async Task InitializeAsync(string password, CancellationToken cancellationToken)
    {
        if (OperatingSystem.IsWindows())
        {
            throw new LaunchException("On Windows PostgreSQL runs in a container only: start a container runtime.");
        }

        // Under its final name only when complete: an initdb that was cut off is not taken for a server's data.
        var unfinished = _data + ".new";
        if (Directory.Exists(unfinished))
        {
            Directory.Delete(unfinished, recursive: true);
        }

        Directory.CreateDirectory(unfinished, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var passwordFile = Path.Combine(Path.GetDirectoryName(_data)!, "initdb.password");
        SecretFile.Write(passwordFile, password);
        if (_user is not null)
        {
            Signals.ChangeOwner(unfinished, _user);
            Signals.ChangeOwner(passwordFile, _user);
        }

        try
        {
            var result = await RunAsync(
                [Path.Combine(Binaries, "initdb"), "-D", unfinished, "-U", User, $"--pwfile={passwordFile}", .. InitDbOptions, .. options.Temporary ? (string[])["--no-sync"] : []],
                cancellationToken);
            if (!result.Succeeded)
            {
                throw new LaunchException($"initdb failed: {result.Error}");
            }
        }
        finally
        {
            File.Delete(passwordFile);
        }

        Directory.Move(unfinished, _data);
    }

    /// <summary>An AppHost that was killed leaves its server running. The lock is free, so nobody uses that server.</summary>
    private async Task StopOrphanAsync(string data, CancellationToken cancellationToken)
    {
        // Line 1 of postmaster.pid is the process id; the file may outlive the process, and the id may be another program's by now.
        var pidFile = Path.Combine(data, "postmaster.pid");
        if (!File.Exists(pidFile)
            || !int.TryParse(File.ReadLines(pidFile).FirstOrDefault(), CultureInfo.InvariantCulture, out var id)
            || ProcessExtensions.Find(id) is not { ProcessName: "postgres" } orphan)
        {
            return;
        }

        using (orphan)
        {
            // The postmaster's working folder is its data folder, where the system can tell (Linux).
            if (Directory.ResolveLinkTarget($"/proc/{id}/cwd", returnFinalTarget: false) is { } folder && folder.FullName != RealPath(data))
            {
                return;
            }

            options.Log($"stopping the server {id} that a killed AppHost left behind");
            foreach (var signal in (int[])[Signals.Interrupt, Signals.Quit, Signals.Kill])
            {
                Signals.Send(id, signal);
                if (await orphan.ExitsWithinAsync(options.StopTimeout, cancellationToken))
                {
                    return;
                }
            }
        }
    }

    private static string RealPath(string folder)
    {
        var parent = Path.GetDirectoryName(folder);
        var link = Directory.ResolveLinkTarget(folder, returnFinalTarget: true)?.FullName;
        return link ?? (parent is null ? folder : Path.Combine(RealPath(parent), Path.GetFileName(folder)));
    }

    private IReadOnlyList<string> Runs(IReadOnlyList<string> command) => _user is null ? command : _user.Runs(command);

    private Task<CommandResult> RunAsync(IReadOnlyList<string> command, CancellationToken cancellationToken) =>
        Processes.Command.RunAsync(Runs(command), options.StartTimeout, cancellationToken, ("LC_ALL", "C"));
}
