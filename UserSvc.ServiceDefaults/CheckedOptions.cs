using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace UserSvc.ServiceDefaults;

public static class CheckedOptions
{
    /// <summary>
    /// Options bound to a section, in which every key must be one of their properties, and validated at start by their annotations. An error
    /// names the setting, as in <c>Lookup:QueueLimit</c>.
    /// </summary>
    public static OptionsBuilder<TOptions> AddCheckedOptions<TOptions>(this IServiceCollection services, string section)
        where TOptions : class
    {
        services.AddSingleton(new KnownSection(section, typeof(TOptions)));
        services.AddSingleton<IValidateOptions<TOptions>>(new Annotations<TOptions>(section));
        return services.AddOptions<TOptions>().BindConfiguration(section).ValidateOnStart();
    }

    private sealed class Annotations<TOptions>(string section) : IValidateOptions<TOptions>
        where TOptions : class
    {
        public ValidateOptionsResult Validate(string? name, TOptions options)
        {
            List<ValidationResult> errors = [];
            return Validator.TryValidateObject(options, new(options), errors, validateAllProperties: true)
                ? ValidateOptionsResult.Success
                // The annotations' own messages begin with "The field QueueLimit".
                : ValidateOptionsResult.Fail(errors.Select(e => e.ErrorMessage!.Replace("The field ", $"{section}:", StringComparison.Ordinal)));
        }
    }
}
