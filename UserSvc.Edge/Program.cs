using UserSvc.Edge.AccessLog;
using UserSvc.Edge.Admin;
using UserSvc.Edge.Configuration;
using UserSvc.Edge.Forwarding;
using UserSvc.Edge.Limits;
using UserSvc.Edge.Listeners;
using UserSvc.ServiceDefaults;

namespace UserSvc.Edge;

internal static class Program
{
    private static Task<int> Main(string[] args)
    {
        SocketThreads.CompleteInline();
        return ServiceProgram.RunAsync(() => Build(args), Console.Error);
    }

    /// <summary>Builds the proxy without starting it. Tests run it in-process, on their own ports and clock.</summary>
    /// <exception cref="InvalidConfigurationException">The edge cannot start with this configuration.</exception>
    public static WebApplication Build(string[] args, TimeProvider? time = null)
    {
        var builder = WebApplication.CreateBuilder([ConfigurationSources.Unwatched, .. args]);
        var sources = builder.AddCheckedConfiguration();
        builder.Services.AddSingleton(time ?? TimeProvider.System);
        builder.AddServiceDefaults(builder.Configuration.ServiceName(), ClientOptions.TrustsSampling(builder.Configuration));
        builder.AddListeners();
        builder.AddLimits();
        builder.AddForwarding();
        builder.AddAccessLog();
        builder.AddAdmin();

        var app = builder.BuildChecked(sources);
        app.UsePipeline();
        return app;
    }
}
