using System.Net;
using UserSvc.AppHost.Processes;

namespace UserSvc.AppHost.Standalone;

/// <summary>The standalone Aspire dashboard: the Aspire CLI starts it, from PATH or from where up.sh puts its npm package.</summary>
internal sealed record Dashboard(string Url, string OtlpEndpoint, IReadOnlyList<string> Command)
{
    /// <summary>Null where the CLI is missing: the system runs without a dashboard then.</summary>
    public static Dashboard? Find(string stateFolder)
    {
        var packages = Path.Combine(stateFolder, "dashboard", "node_modules", "@microsoft");
        var program = Processes.Command.OnPath("aspire")
            ?? (Directory.Exists(packages) ? Directory.EnumerateFiles(packages, "aspire", SearchOption.AllDirectories).FirstOrDefault() : null);
        if (program is null)
        {
            return null;
        }

        var (url, grpc, http) = ($"http://localhost:{FreeOr(18888)}", $"http://127.0.0.1:{FreeOr(4317)}", $"http://127.0.0.1:{FreeOr(4318)}");
        // Anonymous is acceptable where only this machine can connect.
        return new(url, grpc, [program, "dashboard", "run", "--frontend-url", url, "--otlp-grpc-url", grpc, "--otlp-http-url", http,
            "--allow-anonymous", "--non-interactive", "--nologo", "--log-level", "Error"]);
    }

    private static int FreeOr(int preferred) => Ports.IsFree(IPAddress.Loopback, preferred) ? preferred : Ports.Free();
}
