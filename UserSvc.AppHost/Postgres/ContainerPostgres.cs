using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace UserSvc.AppHost.Postgres;

/// <summary>PostgreSQL in a container that stays attached, so that the command line's process ends when the server does.</summary>
internal sealed class ContainerPostgres(PostgresOptions options, ContainerRuntime runtime) : PostgresEngine
{
    // The image that Aspire 13.5 uses, so that both modes pull one.
    public const string Image = "docker.io/library/postgres:18.3";

    // The name of the container and of its volume; one a folder.
    private readonly string _name = NameOf(options.Folder);

    private string _password = "";

    public override string Description => $"PostgreSQL in container {_name} ({Path.GetFileName(runtime.Program)}, {Image}), data in the volume of that name";

    public static string NameOf(string folder) =>
        "usersvc-postgres-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Path.GetFullPath(folder))))[..12];

    public override async Task PrepareAsync(string password, CancellationToken cancellationToken)
    {
        _password = password;
        await runtime.RunAsync(["rm", "--force", _name], cancellationToken);
    }

    public override ProcessStartInfo Command(int port)
    {
        // From version 18 on the image keeps its data in a subfolder of /var/lib/postgresql.
        var start = Processes.Command.InOwnSession(
        [
            runtime.Program, "run", "--rm", "--name", _name, "--volume", $"{_name}:/var/lib/postgresql",
            "--publish", string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{port}:5432"),
            "--env", "POSTGRES_PASSWORD", "--env", $"POSTGRES_INITDB_ARGS={string.Join(' ', InitDbOptions)}",
            Image, .. Arguments(options.Settings),
        ]);
        // Given by name alone above, so that the password is on no command line.
        start.Environment["POSTGRES_PASSWORD"] = _password;
        return start;
    }

    public override async Task<int> PostmasterAsync(Process process, CancellationToken cancellationToken) =>
        int.Parse((await runtime.RunAsync(["inspect", "--format", "{{.State.Pid}}", _name], cancellationToken)).Output, CultureInfo.InvariantCulture);

    public override Task SignalAsync(Process process, int signal) =>
        runtime.RunAsync(["kill", "--signal", signal.ToString(CultureInfo.InvariantCulture), _name], CancellationToken.None);

    public override async Task DeleteDataAsync(CancellationToken cancellationToken)
    {
        await runtime.RunAsync(["rm", "--force", _name], cancellationToken);
        await runtime.RunAsync(["volume", "rm", "--force", _name], cancellationToken);
    }
}
