using System.Diagnostics;
using System.Globalization;
using UserSvc.AppHost.Processes;

namespace UserSvc.AppHost.Postgres;

/// <summary>This machine's PostgreSQL binaries and a data folder, used as an unprivileged user.</summary>
/// <exception cref="LaunchException">This process runs as root, and there is no other user to run the server as.</exception>
internal sealed class LocalPostgres(PostgresOptions options)
{
    public const string User = "postgres";

    /// <summary>UTF-8 text, ordered by code point, in containers too.</summary>
    public static readonly string[] InitDbOptions = ["--encoding=UTF8", "--locale=C", "--auth=scram-sha-256"];

    // The server refuses to run as root.
    private readonly SystemUser? _user = Environment.IsPrivilegedProcess && !OperatingSystem.IsWindows()
        ? SystemUser.Find("postgres", "nobody") ?? throw new LaunchException("PostgreSQL refuses to run as root, and there is no user 'postgres' or 'nobody' to run it as. Create one, or run as another user.")
        : null;

    private const UnixFileMode Traversable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    // For when the server's user cannot reach the configured folder.
    private readonly string _fallbackFolder = Path.Combine("/var/lib/usersvc", options.FolderKey);

    private string _data = Path.Combine(Path.GetFullPath(options.Folder), "data");

    /// <exception cref="LaunchException">PostgreSQL is not installed.</exception>
    private static string Binaries => PostgresBinaries.Find()
        ?? throw new LaunchException($"PostgreSQL is not installed. Install it: {PostgresBinaries.InstallHint}.");

    /// <summary>What runs and where its data is, for the log.</summary>
    public string Description => $"PostgreSQL from {Binaries}{(_user is null ? "" : $" as user {_user.Name}")}, data in {_data}";

    /// <summary>Creates the data folder if it is missing, and stops a server that a killed AppHost left running.</summary>
    public async Task PrepareAsync(string password, CancellationToken cancellationToken)
    {
        await ChooseFolderAsync(cancellationToken);
        if (!Directory.Exists(_data))
        {
            await InitializeAsync(password, cancellationToken);
        }

        await StopOrphanAsync(_data, cancellationToken);
    }

    public ProcessStartInfo Command(int port) => Processes.Command.InOwnSession(AsUser(
    [
        Path.Combine(Binaries, "postgres"), "-D", _data, "-p", port.ToString(CultureInfo.InvariantCulture),
        "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
        .. options.Settings.SelectMany(setting => new[] { "-c", $"{setting.Key}={setting.Value}" }),
    ]));

    /// <summary>Stops a server that still uses the data, then deletes it from either folder.</summary>
    public async Task DeleteDataAsync(CancellationToken cancellationToken)
    {
        foreach (var folder in (string[])[Path.GetFullPath(options.Folder), _fallbackFolder])
        {
            var data = Path.Combine(folder, "data");
            await StopOrphanAsync(data, cancellationToken);
            if (Directory.Exists(data))
            {
                Directory.Delete(data, recursive: true);
            }
        }

        if (Directory.Exists(_fallbackFolder))
        {
            Directory.Delete(_fallbackFolder, recursive: true);
        }
    }

    /// <summary>Moves the data to /var/lib/usersvc if the repository is in a folder that the server's user cannot enter, such as /root.</summary>
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

        Directory.CreateDirectory(_fallbackFolder);
        File.SetUnixFileMode(Path.GetDirectoryName(_fallbackFolder)!, Traversable);
        File.SetUnixFileMode(_fallbackFolder, Traversable);
        File.WriteAllText(Path.Combine(_fallbackFolder, "belongs-to"), folder + "\n");
        _data = Path.Combine(_fallbackFolder, "data");
        options.Log($"user {_user.Name} cannot enter {folder}; the data is in {_data}");
    }

    private async Task InitializeAsync(string password, CancellationToken cancellationToken)
    {
        if (OperatingSystem.IsWindows())
        {
            throw new LaunchException("On Windows, PostgreSQL only runs in a container: start a container runtime.");
        }

        // Renamed when complete, so that the remains of an interrupted initdb are not taken for data.
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
            _user.TakeOwnership(unfinished);
            _user.TakeOwnership(passwordFile);
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

    /// <summary>Stops a server that a killed AppHost left running. This process holds the folder's lock, so nobody else uses that server.</summary>
    private async Task StopOrphanAsync(string data, CancellationToken cancellationToken)
    {
        // Line 1 of postmaster.pid is the process id. The file may outlive the process, and the id may belong to another program by now.
        var pidFile = Path.Combine(data, "postmaster.pid");
        if (!File.Exists(pidFile)
            || !int.TryParse(File.ReadLines(pidFile).FirstOrDefault(), CultureInfo.InvariantCulture, out var id)
            || ProcessExtensions.Find(id) is not { ProcessName: "postgres" } orphan)
        {
            return;
        }

        using (orphan)
        {
            // The postmaster's working folder is its data folder; only Linux shows it.
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

    private IReadOnlyList<string> AsUser(IReadOnlyList<string> command) => _user?.RunAs(command) ?? command;

    private Task<CommandResult> RunAsync(IReadOnlyList<string> command, CancellationToken cancellationToken) =>
        Processes.Command.RunAsync(AsUser(command), options.StartTimeout, cancellationToken, ("LC_ALL", "C"));
}
