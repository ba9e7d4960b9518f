using System.Reflection;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;

namespace UserSvc.ServiceDefaults;

/// <summary>Section <c>Kestrel:Limits</c>, as Kestrel reads it.</summary>
public static class KestrelLimits
{
    /// <summary>One sentence for each limit that Kestrel refuses.</summary>
    public static IEnumerable<string> Errors(IConfiguration configuration)
    {
        var section = configuration.GetSection("Kestrel:Limits");
        // One by one: the exception of a limit does not name the limit.
        var limits = section.AsEnumerable(makePathsRelative: true).Where(s => s.Value is not null)
            .Select(s => Error($"{section.Path}:{s.Key}", s.Value, () => new ConfigurationBuilder().AddInMemoryCollection([s]).Build().Bind(new KestrelServerLimits())));
        var rates = new[] { nameof(KestrelServerLimits.MinRequestBodyDataRate), nameof(KestrelServerLimits.MinResponseDataRate) }.Select(section.GetSection)
            .Select(rate => Error(rate.Path, $"{rate["BytesPerSecond"]}, {rate["GracePeriod"]}", () => rate.Get<MinDataRate>()));
        return limits.Concat(rates).OfType<string>();
    }

    private static string? Error(string path, string? value, Action bind)
    {
        try
        {
            bind();
            return null;
        }
        catch (Exception failure) when (failure is TargetInvocationException or InvalidOperationException)
        {
            return $"{path} cannot be {value}: {failure.GetBaseException().Message}";
        }
    }
}
