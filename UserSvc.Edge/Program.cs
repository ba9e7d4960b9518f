using UserSvc.Edge.Admin;
using UserSvc.Edge.Configuration;
using UserSvc.Edge.Forwarding;
using UserSvc.Edge.Listeners;
using UserSvc.ServiceDefaults;

namespace UserSvc.Edge;

internal static class Program
{
    private static async Task<int> Main(string[] args)
    {
        WebApplication edge;
        try
        {
            edge = Build(args);
            await edge.StartAsync();
        }
        catch (Exception failure) when (StartFailure.Explain(failure) is { } explanation)
        {
            await Console.Error.WriteLineAsync(explanation);
            return 1;
        }

        await using (edge)
        {
            await edge.WaitForShutdownAsync();
            return 0;
        }
    }

    /// <summary>The whole proxy, not started: tests run it in their own process, on ports of their own and by their own clock.</summary>
    /// <exception cref="InvalidConfigurationException">It cannot be started with this configuration.</exception>
    public static WebApplication Build(string[] args, TimeProvider? time = null)
    {
        var builder = WebApplication.CreateBuilder([ConfigurationFiles.Unwatched, .. args]);
        var files = builder.AddCheckedConfiguration();
        builder.Services.AddSingleton(time ?? TimeProvider.System);
        builder.AddServiceDefaults(ClientOptions.TrustsSampling(builder.Configuration));
        builder.AddListeners();
        builder.AddForwarding();
        builder.AddAdmin();

        var app = builder.BuildChecked(files);
        app.UseListenerStatistics();
        app.UseRequestId();
        app.UseProblemJson();
        app.UseAdminGuard();
        app.UseRequestHygiene();
        app.UseHttpsPolicy();
        app.UseRouting();
        app.UseRequestTimeouts();

        app.MapAdmin();
        app.MapForwarding().ServedOn(Listener.Public);
        return app;
    }
}
